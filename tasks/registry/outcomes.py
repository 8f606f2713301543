"""The last outcome of each bot, one small file a bot."""

from __future__ import annotations

from pydantic import TypeAdapter

from tasks.core.names import Bot
from tasks.core.records import Outcome
from tasks.storage import Storage

_FOLDER = "outcomes"
_ADAPTER = TypeAdapter(Outcome)


def save_outcome(storage: Storage, outcome: Outcome) -> None:
    """Replace the last outcome of a bot. Raises StorageUnusable."""
    storage.write_json(f"{_FOLDER}/{outcome.bot}.json", _ADAPTER.dump_python(outcome, mode="json"))


def load_outcomes(storage: Storage) -> list[Outcome]:
    """The last outcome of every bot that had one, by name."""
    return [_ADAPTER.validate_python(storage.read_json(key)) for key in storage.keys(_FOLDER)]


def load_outcome(storage: Storage, bot: Bot) -> Outcome | None:
    """The last outcome of a bot, or None where it never had one."""
    told = storage.read_json(f"{_FOLDER}/{bot}.json")
    return None if told is None else _ADAPTER.validate_python(told)
