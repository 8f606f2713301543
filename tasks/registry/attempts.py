"""Retrains that have begun and not ended: those whose process died stay behind.

A file an attempt, below `attempts/<bot>/`, so that any number of processes on any number of
machines can begin at once without losing each other's.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.core.errors import DamagedState
from tasks.core.names import Bot
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class _Attempt:
    """A retrain that has begun; begun_at: aware, UTC."""

    begun_at: datetime


@dataclass(frozen=True)
class _Count:
    """What older versions wrote, to one file a bot: how many had begun without an end."""

    begun: int


_REMEDY = "the end of the bot's next retrain removes it"
_ATTEMPTS = StateFiles("attempts", _Attempt, remedy=_REMEDY)
_COUNTS = StateFiles("attempts", _Count, remedy=_REMEDY)


def attempts_of(storage: Storage, bot: Bot) -> int:
    """How many retrains of a bot have begun since one last ended."""
    try:
        count = _COUNTS.load(storage, bot.name)
    except DamagedState as error:
        _log.warning("%s", error)
        count = _Count(1)  # that there is a file means at least one
    return len(_ATTEMPTS.names(storage, bot.name)) + (count.begun if count else 0)


def begin_attempt(storage: Storage, bot: Bot) -> int:
    """Record that a retrain begins; returns how many earlier ones have not ended."""
    before = attempts_of(storage, bot)
    _ATTEMPTS.save(storage, f"{bot}/{uuid.uuid4().hex}", _Attempt(datetime.now(UTC)))
    return before


def end_attempt(storage: Storage, bot: Bot) -> None:
    """Record that a retrain has ended, well or badly; earlier attempts no longer count."""
    _COUNTS.delete(storage, bot.name)
    for name in _ATTEMPTS.names(storage, bot.name):
        _ATTEMPTS.delete(storage, name)
