"""Retrains that were begun and have not ended: what is left of one tells that its process died."""

from __future__ import annotations

from tasks.core.names import Bot
from tasks.storage import Storage

_FOLDER = "attempts"


def attempts_of(storage: Storage, bot: Bot) -> int:
    """How many retrains of a bot were begun in a row without an end. Raises StorageUnusable."""
    told = storage.read_json(_key(bot))
    return int(told["begun"]) if isinstance(told, dict) and "begun" in told else 0


def begin_attempt(storage: Storage, bot: Bot) -> int:
    """Note that a retrain begins; returns how many before it had no end."""
    before = attempts_of(storage, bot)
    storage.write_json(_key(bot), {"begun": before + 1})
    return before


def end_attempt(storage: Storage, bot: Bot) -> None:
    """Note that a retrain has ended, well or badly."""
    storage.delete(_key(bot))


def _key(bot: Bot) -> str:
    return f"{_FOLDER}/{bot}.json"
