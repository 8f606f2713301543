"""The last outcome of each bot: one state file a bot."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.core.names import Bot
from tasks.core.records import Outcome
from tasks.storage import Storage
from tasks.storage.state_file import Loaded, StateFiles

_OUTCOMES = StateFiles("outcomes", Outcome, remedy="retrain the bot, which replaces it")


def save_outcome(storage: Storage, outcome: Outcome) -> None:
    """Replace the last outcome of a bot. Raises StorageUnusable."""
    _OUTCOMES.save(storage, outcome.bot, outcome)


def load_outcomes(storage: Storage, names: Iterable[str] | None = None) -> Loaded[Outcome]:
    """The last outcome of every bot that had one, or of these bots, by name."""
    return _OUTCOMES.load_all(storage, names)


def load_outcome(storage: Storage, bot: Bot) -> Outcome | None:
    """The last outcome of a bot, or None where there is none.

    A damaged one counts as none, and is logged: the next retrain replaces it.
    """
    return _OUTCOMES.load_readable(storage, bot.name)
