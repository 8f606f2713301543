"""Bots that must be trained again whatever their cadence says, one small file a bot.

A file of its own, so that a run which notes something else of the bot cannot lose the mark.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter

from tasks.core.names import Bot
from tasks.storage import Storage

FOLDER = "due"


@dataclass(frozen=True)
class DueMark:
    """Why a bot is due, and since when (aware, UTC)."""

    bot: str
    reason: str
    marked_at: datetime


def mark_due(storage: Storage, bot: Bot, reason: str, at: datetime) -> None:
    """Make a bot due; a later reason replaces an earlier one. Raises StorageUnusable."""
    told = asdict(DueMark(bot.name, reason, at))
    storage.write_json(f"{FOLDER}/{bot}.json", {**told, "marked_at": at.isoformat()})


def due_marks(storage: Storage) -> dict[str, DueMark]:
    """The marks by the names of the bots."""
    read = TypeAdapter(DueMark).validate_python
    marks = [read(storage.read_json(key)) for key in storage.keys(FOLDER)]
    return {mark.bot: mark for mark in marks}


def is_due(storage: Storage, bot: Bot) -> bool:
    """Whether a bot is marked."""
    return storage.exists(f"{FOLDER}/{bot}.json")


def clear_due(storage: Storage, bot: Bot, before: datetime) -> None:
    """Take away a mark that was made before a training began: a later one asks for another."""
    key = f"{FOLDER}/{bot}.json"
    told = storage.read_json(key)
    if told is not None and TypeAdapter(DueMark).validate_python(told).marked_at < before:
        storage.delete(key)
