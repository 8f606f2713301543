"""The accounts whose owners asked not to be used: every run asks here before it uses one.

That there is a file is what counts; what it holds is for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasks.core.errors import OptedOut
from tasks.core.names import Handle
from tasks.storage.root import Storage
from tasks.storage.state_file import StateFiles


@dataclass(frozen=True)
class _OptOut:
    """at: ISO 8601, UTC."""

    handle: str
    at: str


_OPT_OUTS = StateFiles("opt-outs", _OptOut, remedy="leave it: the account has opted out")


def opt_out(storage: Storage, handle: Handle, at: datetime) -> None:
    """Note that an account must not be used; an earlier note stays. Raises StorageUnusable."""
    if not _OPT_OUTS.exists(storage, handle.name):
        note = _OptOut(handle.name, at.isoformat(timespec="seconds"))
        _OPT_OUTS.save(storage, handle.name, note)


def is_opted_out(storage: Storage, *handles: Handle) -> bool:
    """Whether one of the accounts must not be used."""
    return any(_OPT_OUTS.exists(storage, handle.name) for handle in handles)


def lift_opt_out(storage: Storage, handle: Handle) -> None:
    """Let an account be used again. Raises StorageUnusable."""
    _OPT_OUTS.delete(storage, handle.name)


def refuse_opted_out(storage: Storage, *handles: Handle) -> None:
    """Raises OptedOut where one of the accounts must not be used."""
    for handle in handles:
        if _OPT_OUTS.exists(storage, handle.name):
            raise OptedOut(
                f"@{handle}: opted out: the owner asked not to be used, so its posts are neither "
                f"fetched nor trained on: take it out of the list of bots (the note is "
                f"{storage.location(_OPT_OUTS.key(handle.name))})"
            )


def opted_out(storage: Storage) -> list[str]:
    """The names of all accounts that must not be used, sorted."""
    return _OPT_OUTS.names(storage)
