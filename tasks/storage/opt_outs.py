"""The accounts whose owners asked not to be used: every run asks here before it touches one."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath

from tasks.core.errors import OptedOut
from tasks.core.names import Handle
from tasks.storage.root import Storage

FOLDER = "opt-outs"


def opt_out(storage: Storage, handle: Handle, at: datetime) -> None:
    """Note that an account is not to be used; an earlier note stays. Raises StorageUnusable."""
    key = f"{FOLDER}/{handle}.json"
    if not storage.exists(key):
        storage.write_json(key, {"handle": handle.name, "at": at.isoformat(timespec="seconds")})


def refuse_opted_out(storage: Storage, *handles: Handle) -> None:
    """Raises OptedOut where one of the accounts is not to be used."""
    for handle in handles:
        key = f"{FOLDER}/{handle}.json"
        if storage.exists(key):
            raise OptedOut(
                f"@{handle}: opted out: the owner asked not to be used, so its posts are neither "
                f"fetched nor trained on: take it out of the list of bots (the note is "
                f"{storage.full(key)})"
            )


def opted_out(storage: Storage) -> list[str]:
    """The names of all accounts that are not to be used, sorted."""
    return [PurePosixPath(key).stem for key in storage.keys(FOLDER)]
