"""Remove an account from everything that was made of it, and keep it out from then on.

The order makes an interruption harmless. First stands the opt-out, so that no run brings the
account back. Then the plan is stored: what is to go, with digests, since what is gone cannot say
any more what it was. Then the Hub, the storage, and what neighbours keep. The receipt comes last,
and only then the stored plan goes. A second call finds the plan and finishes it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr, TypeAdapter

from tasks.curation.removal import bots_with
from tasks.errors import PermanentError
from tasks.lake.ledger import anonymise
from tasks.lake.opt_outs import opt_out
from tasks.names import Handle
from tasks.publishing.hub_removal import delete_repository
from tasks.registry.nights import without_bots
from tasks.settings import Settings
from tasks.storage import Storage

# Where the rooms keep something of a handle and of a bot, as a folder or a file of its name.
OF_HANDLES = ("posts", "profiles", "watermarks", "positions", "accounts", "avatars")
OF_BOTS = (
    "corpora",
    "resume",
    "checkpoints",
    "releases",
    "outcomes",
    "states",
    "due",
    "attempts",
    "wandb",
)
_PLANS, _RECEIPTS = "forgetting", "receipts"
_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Removal:
    """One thing that goes.

    key: in the storage, or the name of a repository; sha256: over all its files, or empty.
    files, bytes: how much it is.
    """

    key: str
    files: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to go of an account.

    bots: the names of those that it is part of; the others in them keep their posts.
    stored: in the storage; repositories: on the Hub.
    """

    handle: Handle
    bots: tuple[str, ...]
    stored: tuple[Removal, ...]
    repositories: tuple[str, ...]


@dataclass(frozen=True)
class Receipt:
    """That an account was removed: what and when, and nothing of its content."""

    handle: Handle
    forgotten_at: str
    bots: tuple[str, ...]
    removed: tuple[Removal, ...]
    key: str


def plan_removal(storage: Storage, handle: Handle, settings: Settings) -> Plan:
    """What would go of an account; nothing is changed. Raises StorageUnusable."""
    found = _looked_up(storage, handle, settings)
    return _united(_stored_plan(storage, handle), found)


def forget_account(storage: Storage, handle: Handle, settings: Settings, at: datetime) -> Receipt:
    """Remove an account and every bot that it is part of; returns the receipt, which is stored.

    Interrupted anywhere, it is finished by the same call.
    Raises PermanentError (a repository is to go and no token is set, or it is refused),
    TransientError, StorageUnusable.
    """
    plan = plan_removal(storage, handle, settings)
    opt_out(storage, handle, at)
    storage.write_json(_plan_key(handle), TypeAdapter(Plan).dump_python(plan, mode="json"))
    for repository in plan.repositories:
        _delete_from_hub(repository, handle, settings)
    for removal in plan.stored:
        storage.delete(removal.key)
        _log.info("@%s: removed %s", handle, removal.key)
    anonymise(storage, handle)
    without_bots(storage, set(plan.bots))
    return _receipt(storage, plan, at)


def _looked_up(storage: Storage, handle: Handle, settings: Settings) -> Plan:
    bots = sorted({bot for folder in OF_BOTS for bot in bots_with(storage, handle, folder)})
    keys = [f"{folder}/{handle}" for folder in OF_HANDLES]
    keys += [f"{folder}/{bot}" for folder in OF_BOTS for bot in bots]
    found = [_measured(storage, key) for each in keys for key in (each, f"{each}.json")]
    return Plan(
        handle,
        tuple(bot.name for bot in bots),
        tuple(removal for removal in found if removal.files),
        tuple(f"{settings.hub_namespace}/{bot}" for bot in bots if settings.hub_namespace),
    )


def _measured(storage: Storage, key: str) -> Removal:
    files = storage.files(key)
    digest = hashlib.sha256()
    for name in files:
        with storage.filesystem.open_input_file(storage.full(name)) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return Removal(key, len(files), sum(files.values()), digest.hexdigest())


def _united(before: Plan | None, found: Plan) -> Plan:
    """What an interrupted removal had planned, and what is found now."""
    if before is None:
        return found
    stored = {removal.key: removal for removal in (*found.stored, *before.stored)}
    return Plan(
        found.handle,
        tuple(sorted({*before.bots, *found.bots})),
        tuple(stored.values()),
        tuple(sorted({*before.repositories, *found.repositories})),
    )


def _stored_plan(storage: Storage, handle: Handle) -> Plan | None:
    told = storage.read_json(_plan_key(handle))
    return None if told is None else TypeAdapter(Plan).validate_python(told)


def _plan_key(handle: Handle) -> str:
    return f"{_PLANS}/{handle}.json"


def _delete_from_hub(repository: str, handle: Handle, settings: Settings) -> None:
    token: SecretStr | None = settings.hub_token
    if token is None:
        raise PermanentError(
            f"@{handle}: {repository} may be on the Hub, and no token is set to delete it with: "
            "set HUGGINGTWEETS_HUB_TOKEN and forget the account again"
        )
    if delete_repository(repository, token=token, endpoint=settings.hub_endpoint):
        _log.info("@%s: removed %s from the Hub", handle, repository)


def _receipt(storage: Storage, plan: Plan, at: datetime) -> Receipt:
    key = f"{_RECEIPTS}/{plan.handle}-{at:%Y%m%dT%H%M%S}.json"
    removed = (*plan.stored, *(Removal(repository) for repository in plan.repositories))
    receipt = Receipt(plan.handle, at.isoformat(timespec="seconds"), plan.bots, removed, key)
    storage.write_json(key, _plain(receipt))
    storage.delete(_plan_key(plan.handle))
    return receipt


def _plain(receipt: Receipt) -> dict[str, Any]:
    return {**asdict(receipt), "handle": receipt.handle.name}
