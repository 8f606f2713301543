"""How far the scrapes of an account are, beside the watermark: positions, accounts, stops."""

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
    """Where a scrape that goes from the newest post to older ones was left.

    It says: all posts from `until_id` to `newest_id`, both included, are in the lake; those
    between `since_id` and `until_id`, both excluded, are still to be fetched. Then the watermark
    may move to `newest_id`.

    since_id: the watermark when the scrape began; None where there was none.
    fetched: posts so far, for the estimate of the rest.
    """

    since_id: str | None
    newest_id: str
    until_id: str
    fetched: int


@dataclass(frozen=True)
class _Stop:
    """That a source gives nothing more in a run; reason: the message of the error that said so."""

    at: datetime
    reason: str
    run: str


_POSITIONS = StateFiles("positions", Position, remedy="delete it, and the scrape begins anew")
_ACCOUNTS = StateFiles("accounts", Account, remedy="delete it, and the source is asked again")
_STOPS = StateFiles("stops", _Stop, remedy="delete it, and the source is asked again", subject="")


def save_position(storage: Storage, handle: Handle, source: str, position: Position) -> None:
    """Note how far a scrape is, once its rows are durable. Raises StorageUnusable."""
    _POSITIONS.save(storage, f"{handle}/{source}", position)


def load_position(storage: Storage, handle: Handle, source: str) -> Position | None:
    """Where a scrape was left, or None where none was. Raises DamagedState."""
    return _POSITIONS.load(storage, f"{handle}/{source}")


def forget_position(storage: Storage, handle: Handle, source: str) -> None:
    """Note that a scrape has come to its end. Raises StorageUnusable."""
    _POSITIONS.delete(storage, f"{handle}/{source}")


def save_account(storage: Storage, handle: Handle, source: str, account: Account) -> None:
    """Replace what a source knows of the account that has a handle. Raises StorageUnusable."""
    _ACCOUNTS.save(storage, f"{handle}/{source}", account)


def load_account(storage: Storage, handle: Handle, source: str) -> Account | None:
    """What a source knew when last asked, or None. Raises DamagedState."""
    return _ACCOUNTS.load(storage, f"{handle}/{source}")


def stop_run(storage: Storage, run: str, source: str, reason: str, at: datetime) -> None:
    """Note that a source gives nothing more in a run, for whoever works in it.

    reason: the message of the error that said so. Raises StorageUnusable.
    """
    _STOPS.save(storage, _stop(run, source), _Stop(at, reason, run))


def stop_of(storage: Storage, run: str, source: str) -> str | None:
    """Why a source gives nothing more in a run, or None where it does. Raises DamagedState."""
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
