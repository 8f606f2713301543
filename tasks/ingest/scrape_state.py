"""The state of scrapes beside the watermark: positions, accounts, and sources that stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from tasks.core.name_matching import is_titled, untitled
from tasks.core.names import Handle
from tasks.core.records import Account, digest
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles


@dataclass(frozen=True)
class Position:
    """How far a scrape came that goes from the newest post to older ones.

    All posts from `until_id` to `newest_id`, both included, are in the lake; those between
    `since_id` and `until_id`, both excluded, are still to be fetched. Then the watermark may move
    to `newest_id`.

    since_id: the watermark when the scrape began; None where there was none.
    fetched: posts so far, from which the rest is estimated.
    """

    since_id: str | None
    newest_id: str
    until_id: str
    fetched: int


@dataclass(frozen=True)
class _Stop:
    """A source that returns nothing more in a run; reason: the message of the error about it."""

    at: datetime
    reason: str
    run: str


_POSITIONS = StateFiles("positions", Position, remedy="delete it; the scrape then starts over")
_ACCOUNTS = StateFiles("accounts", Account, remedy="delete it; the source is then asked again")
STOPS = "stops"  # the folder, with one for each source
_STOPS = StateFiles(STOPS, _Stop, remedy="delete it; the source is then asked again", subject="")


def save_position(storage: Storage, handle: Handle, source: str, position: Position) -> None:
    """Save how far a scrape came, once its rows are durable. Raises StorageUnusable."""
    _POSITIONS.save(storage, f"{handle}/{source}", position)


def load_position(storage: Storage, handle: Handle, source: str) -> Position | None:
    """How far an unfinished scrape came, or None. Raises DamagedState."""
    return _POSITIONS.load(storage, f"{handle}/{source}")


def delete_position(storage: Storage, handle: Handle, source: str) -> None:
    """Delete the position of a scrape that is finished. Raises StorageUnusable."""
    _POSITIONS.delete(storage, f"{handle}/{source}")


def save_account(storage: Storage, handle: Handle, source: str, account: Account) -> None:
    """Save what a source knows of the account with a handle. Raises StorageUnusable."""
    _ACCOUNTS.save(storage, f"{handle}/{source}", account)


def load_account(storage: Storage, handle: Handle, source: str) -> Account | None:
    """What a source knew when it was last asked, or None. Raises DamagedState."""
    return _ACCOUNTS.load(storage, f"{handle}/{source}")


def save_stop(storage: Storage, run: str, source: str, reason: str, at: datetime) -> None:
    """Save that a source returns nothing more in a run, for all workers of the run.

    reason: the message of the error about it. Raises StorageUnusable.
    """
    _STOPS.save(storage, _stop(run, source), _Stop(at, reason, run))


def load_stop(storage: Storage, run: str, source: str) -> str | None:
    """Why a source returns nothing more in a run, or None where it does. Raises DamagedState."""
    stop = _STOPS.load(storage, _stop(run, source))
    return None if stop is None else stop.reason


def anonymise_stops(storage: Storage, handle: Handle) -> None:
    """Remove a handle's name from the reasons of all stops, which may name it.

    Raises DamagedState, StorageUnusable.
    """
    for source in storage.folders(_STOPS.folder):
        for name in _STOPS.names(storage, PurePosixPath(source).name):
            stop = _STOPS.load(storage, name)
            if stop is not None and is_titled(handle, stop.reason):
                _STOPS.save(storage, name, replace(stop, reason=untitled(handle, stop.reason)))


def _stop(run: str, source: str) -> str:
    return f"{source}/{digest(run)[:16]}"
