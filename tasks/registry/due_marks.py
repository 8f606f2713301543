"""Bots that must be retrained whatever their cadence says, one small file a bot.

A file of its own, so that a run which writes another state of the bot cannot lose the mark.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tasks.core.errors import DamagedState
from tasks.core.names import Bot
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class DueMark:
    """Why a bot is due, and since when (aware, UTC)."""

    bot: str
    reason: str
    marked_at: datetime


_MARKS = StateFiles("due", DueMark, remedy="retrain the bot, which removes it")


def mark_due(storage: Storage, bot: Bot, reason: str, at: datetime) -> None:
    """Make a bot due; a later reason replaces an earlier one. Raises StorageUnusable."""
    _MARKS.save(storage, bot.name, DueMark(bot.name, reason, at))


def due_marks(storage: Storage, names: Iterable[str] | None = None) -> dict[str, DueMark]:
    """All marks, or those of these bots, by name.

    A damaged one is a mark all the same, and is logged.
    """
    names = _MARKS.names(storage) if names is None else names
    marks = {name: _load(storage, name) for name in names}
    return {name: mark for name, mark in marks.items() if mark is not None}


def is_due(storage: Storage, bot: Bot) -> bool:
    """Whether a bot is marked as due."""
    return _MARKS.exists(storage, bot.name)


def clear_due(storage: Storage, bot: Bot, before: datetime) -> None:
    """Remove a mark from before a training began: a later mark asks for another training."""
    mark = _load(storage, bot.name)
    if mark is not None and mark.marked_at < before:
        _MARKS.delete(storage, bot.name)


def _load(storage: Storage, name: str) -> DueMark | None:
    try:
        return _MARKS.load(storage, name)
    except DamagedState as error:
        _log.warning("%s", error)
        # Whatever it said, the bot was marked, and not later than the file was written.
        written_at = storage.modified_at(_MARKS.key(name))
        return None if written_at is None else DueMark(name, str(error), written_at)
