"""How far the scrapes of an account are, beside the watermark: positions, accounts, stops."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tasks.core.errors import StorageUnusable
from tasks.core.names import Handle
from tasks.core.records import Account, digest
from tasks.storage import Storage

_POSITIONS = "positions"
_ACCOUNTS = "accounts"
_STOPS = "stops"
T = TypeVar("T")


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


def save_position(storage: Storage, handle: Handle, source: str, position: Position) -> None:
    """Note how far a scrape is, once its rows are durable. Raises StorageUnusable."""
    storage.write_json(_position_key(handle, source), asdict(position))


def load_position(storage: Storage, handle: Handle, source: str) -> Position | None:
    """Where a scrape was left, or None where none was. Raises StorageUnusable."""
    return _load(storage, _position_key(handle, source), Position)


def forget_position(storage: Storage, handle: Handle, source: str) -> None:
    """Note that a scrape has come to its end. Raises StorageUnusable."""
    storage.delete(_position_key(handle, source))


def _position_key(handle: Handle, source: str) -> str:
    return f"{_POSITIONS}/{handle}/{source}.json"


def save_account(storage: Storage, handle: Handle, source: str, account: Account) -> None:
    """Replace what a source knows of the account that has a handle. Raises StorageUnusable."""
    told = TypeAdapter(Account).dump_python(account, mode="json")
    storage.write_json(f"{_ACCOUNTS}/{handle}/{source}.json", told)


def load_account(storage: Storage, handle: Handle, source: str) -> Account | None:
    """What a source knew when last asked, or None. Raises StorageUnusable."""
    return _load(storage, f"{_ACCOUNTS}/{handle}/{source}.json", Account)


def stop_run(storage: Storage, run: str, source: str, reason: str, at: datetime) -> None:
    """Note that a source gives nothing more in a run, for whoever works in it.

    reason: the message of the error that said so. Raises StorageUnusable.
    """
    told = {"at": at.isoformat(), "reason": reason, "run": run}
    storage.write_json(_stop_key(run, source), told)


def stop_of(storage: Storage, run: str, source: str) -> str | None:
    """Why a source gives nothing more in a run, or None where it does."""
    stop = _load(storage, _stop_key(run, source), dict[str, str])
    return None if stop is None else stop.get("reason", "")


def _stop_key(run: str, source: str) -> str:
    return f"{_STOPS}/{source}/{digest(run)[:16]}.json"


def _load(storage: Storage, key: str, shape: type[T]) -> T | None:
    try:
        value: Any = storage.read_json(key)
        return None if value is None else TypeAdapter(shape).validate_python(value)
    except (ValueError, ValidationError) as error:
        reason = str(error).split("\n", 1)[0]
        raise StorageUnusable(f"{storage.full(key)}: damaged ({reason}): delete it") from error
