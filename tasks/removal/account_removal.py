"""Removes an account from everything that was made of it, and keeps it out from then on.

The order makes an interruption harmless. First the opt-out is written, so that no run brings the
account back. Then the plan is stored: what will be removed, with digests, since they cannot be
computed once it is gone. Then the data on the Hub, in the storage and of the other holders is
removed. The receipt is written last; only then the stored plan is deleted. A second call finds
the plan and finishes it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

from pydantic import SecretStr

from tasks.core.errors import BadInput, PermanentError
from tasks.core.name_matching import is_of
from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.curation.corpus_dropping import bots_with
from tasks.ingest.ledger import anonymise_charges
from tasks.ingest.scrape_state import anonymise_stops
from tasks.publishing.hub_removal import delete_repository
from tasks.registry.nights import without_bots
from tasks.removal.inventory import (
    OF_BOTS,
    OF_HANDLES,
    DataHolder,
    Removal,
    abandoned_in,
    delete,
)
from tasks.storage import Storage
from tasks.storage.opt_outs import is_opted_out, lift_opt_out, opt_out
from tasks.storage.state_file import StateFiles

_RECEIPTS = "receipts"
_NUMBER = re.compile(r"\d{8}T\d{6}(-\d+)?", re.ASCII)
_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Plan:
    """What will be removed of an account.

    bots: names of the bots that it is part of; their other accounts keep their posts.
    stored: in the storage; repositories: on the Hub; kept: by other holders of its data.
    """

    handle: Handle
    bots: tuple[str, ...]
    stored: tuple[Removal, ...]
    repositories: tuple[str, ...]
    kept: tuple[Removal, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """The record that an account was removed: what and when, without any of its content.

    left: what could not be removed from here, where it is, and how to remove it; a sentence each.
    """

    handle: Handle
    forgotten_at: str
    bots: tuple[str, ...]
    removed: tuple[Removal, ...]
    key: str
    left: tuple[str, ...] = ()


_PLANS = StateFiles("forgetting", Plan, remedy="delete it and run `huggingtweets forget` again")
_SWEEPS = StateFiles("sweeps", list[dict[str, Any]], remedy="delete it", subject="sweep ")


def plan_removal(
    storage: Storage, handle: Handle, settings: Settings, holders: Sequence[DataHolder] = ()
) -> Plan:
    """What would be removed of an account; changes nothing. Raises StorageUnusable."""
    found = _find(storage, handle, settings, holders)
    return _merged(_PLANS.load(storage, handle.name), found, settings.machine)


def remove_account(
    storage: Storage,
    handle: Handle,
    settings: Settings,
    at: datetime,
    holders: Sequence[DataHolder] = (),
) -> Receipt:
    """Remove an account and every bot that it is part of; stores and returns the receipt.

    An interrupted removal is finished by calling this again.
    Raises PermanentError (there is a repository, and the token is missing or refused),
    TransientError, DamagedState, StorageUnusable.
    """
    plan = plan_removal(storage, handle, settings, holders)
    opt_out(storage, handle, at)
    _PLANS.save(storage, handle.name, plan)
    for repository in plan.repositories:
        _delete_from_hub(repository, handle, settings)
    for removal in plan.stored:
        delete(storage, removal.key)
        _log.info("@%s: removed %s", handle, removal.key)
    for key in _keys(handle, plan.bots):
        storage.delete_empty(key)
    anonymise_charges(storage, handle)
    without_bots(storage, set(plan.bots))
    _remove_from_sweeps(storage, handle)
    anonymise_stops(storage, handle)
    left = [sentence for each in holders for sentence in each.remove(handle)]
    return _receipt(storage, plan, at, (*left, *_left_at_wandb(settings)))


def lift_ban(storage: Storage, handle: Handle, number: str) -> str:
    """Let a removed account be used again; what was removed stays removed. Returns the receipt.

    number: of the receipt, the end of its name, which shows that its holder means this removal.
    Raises BadInput, StorageUnusable.
    """
    number = PurePosixPath(number.strip()).name.removesuffix(".json").removeprefix(f"{handle}-")
    key = f"{_RECEIPTS}/{handle}-{number}.json"
    if not is_opted_out(storage, handle):
        raise BadInput(f"@{handle} has not opted out: there is nothing to lift")
    if _PLANS.exists(storage, handle.name):
        raise BadInput(
            f"@{handle}: its removal was interrupted: finish it with `huggingtweets forget "
            f"{handle} --yes` first"
        )
    if not _NUMBER.fullmatch(number) or not storage.exists(key):
        raise BadInput(
            f"@{handle}: no receipt has the number {number[:40]!r}: give the one that "
            f"`huggingtweets forget {handle} --yes` printed, as 20260131T040000"
        )
    lift_opt_out(storage, handle)
    _log.info("@%s: may be used again", handle)
    return key


def _find(
    storage: Storage, handle: Handle, settings: Settings, holders: Sequence[DataHolder]
) -> Plan:
    bots = sorted({bot for folder in OF_BOTS for bot in bots_with(storage, handle, folder)})
    names = tuple(bot.name for bot in bots)
    keys = [key for each in _keys(handle, names) for key in (each, f"{each}.json")]
    found = [_measured(storage, key) for key in (*keys, *abandoned_in(storage))]
    return Plan(
        handle,
        names,
        tuple(removal for removal in found if removal.files),
        tuple(f"{settings.hub_namespace}/{bot.hub_name}" for bot in bots if settings.hub_namespace),
        tuple(removal for each in holders for removal in each.find(handle)),
    )


def _keys(handle: Handle, bots: Sequence[str]) -> list[str]:
    """Where the storage has something of an account and of its bots: folders, and files beside."""
    of_bots = [f"{folder}/{bot}" for folder in OF_BOTS for bot in bots]
    return [*(f"{folder}/{handle}" for folder in OF_HANDLES), *of_bots]


def _measured(storage: Storage, key: str) -> Removal:
    files = storage.files(key)
    digest = hashlib.sha256()
    for name in files:
        # One that a writer renames or deletes just now is not what will be removed.
        with (
            suppress(FileNotFoundError),
            storage.filesystem.open_input_file(storage.full(name)) as stream,
        ):
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return Removal(key, len(files), sum(files.values()), digest.hexdigest())


def _merged(before: Plan | None, found: Plan, machine: str) -> Plan:
    """The plan of an interrupted removal and what is found now, as one."""
    if before is None:
        return found
    # Another machine's cache cannot be reached from here, so this receipt must not name it.
    ours = [each for each in before.kept if each.machine in ("", machine)]
    return Plan(
        found.handle,
        tuple(sorted({*before.bots, *found.bots})),
        _by_name(found.stored, before.stored),
        tuple(sorted({*before.repositories, *found.repositories})),
        _by_name(found.kept, ours),
    )


def _by_name(found: Sequence[Removal], before: Sequence[Removal]) -> tuple[Removal, ...]:
    return tuple({str(removal): removal for removal in (*found, *before)}.values())


def _delete_from_hub(repository: str, handle: Handle, settings: Settings) -> None:
    token: SecretStr | None = settings.hub_token
    if token is None:
        raise PermanentError(
            f"@{handle}: {repository} may be on the Hub, and no token is set to delete it: "
            "set HUGGINGTWEETS_HUB_TOKEN and run `huggingtweets forget` again"
        )
    if delete_repository(repository, token=token, endpoint=settings.hub_endpoint):
        _log.info("@%s: removed %s from the Hub", handle, repository)


def _remove_from_sweeps(storage: Storage, handle: Handle) -> None:
    """Remove the account's bots from the tables of sweeps, each of which is a column there."""
    for name in _SWEEPS.names(storage):
        rows = _SWEEPS.load(storage, name) or []
        kept = [
            {bot: loss for bot, loss in row.items() if bot[:1] != "@" or not is_of(handle, bot)}
            for row in rows
        ]
        if kept != rows:
            _SWEEPS.save(storage, name, kept)


def _left_at_wandb(settings: Settings) -> tuple[str, ...]:
    """What stays at Weights & Biases, where runs may have been sent."""
    if settings.wandb_api_key is None:
        return ()
    project = "/".join(filter(None, (settings.wandb_entity, settings.wandb_project)))
    sentence = (
        f"runs that were sent to Weights & Biases stay there: in project {project}, delete the "
        "runs and artifacts named after the account's bots"
    )
    return (sentence,)


def _receipt(storage: Storage, plan: Plan, at: datetime, left: tuple[str, ...]) -> Receipt:
    stem = f"{_RECEIPTS}/{plan.handle}-{at:%Y%m%dT%H%M%S}"
    keys = (f"{stem}{suffix}.json" for suffix in chain([""], (f"-{n}" for n in count(2))))
    key = next(key for key in keys if not storage.exists(key))
    hub = (Removal(repository) for repository in plan.repositories)
    removed = (*plan.stored, *hub, *plan.kept)
    forgotten_at = at.isoformat(timespec="seconds")
    receipt = Receipt(plan.handle, forgotten_at, plan.bots, removed, key, left)
    storage.write_json(key, _plain(receipt))
    _PLANS.delete(storage, plan.handle.name)
    return receipt


def _plain(receipt: Receipt) -> dict[str, Any]:
    return {**asdict(receipt), "handle": receipt.handle.name}
