"""The state of each bot between retrains: one state file a bot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.storage import Storage
from tasks.storage.state_file import Loaded, StateFiles

# Consecutive permanent failures after which a bot is parked.
PARKED_AFTER = 3
# After a transient failure without a time for the next attempt; doubled with each failure.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=1)
_GOOD = (Status.RELEASED, Status.UNCHANGED, Status.HELD_BACK)


@dataclass(frozen=True)
class BotState:
    """A bot's state between retrains; all times are aware, UTC.

    last_success: when its release was last up to date. last_try: when its last retrain ended.
    next_attempt_at: it is not due before. failures: in a row; permanent: those of them that were
        permanent. parked: why it is not retrained until a person has looked, or empty.
    posts: in the lake at its last success. seconds: duration of its last run with a training.
    """

    last_success: datetime | None = None
    last_try: datetime | None = None
    next_attempt_at: datetime | None = None
    failures: int = 0
    permanent: int = 0
    parked: str = ""
    posts: int = 0
    seconds: float = 0.0


# A damaged one is not overwritten: it may have parked the bot, so a person must look.
_STATES = StateFiles("states", BotState, remedy="delete it; the bot then counts as new")


def load_state(storage: Storage, bot: Bot) -> BotState:
    """The state of a bot; the initial one of a new bot. Raises DamagedState."""
    return _STATES.load(storage, bot.name) or BotState()


def load_states(storage: Storage, names: Iterable[str] | None = None) -> Loaded[BotState]:
    """The states of all bots, or of these, by name."""
    return _STATES.load_all(storage, names)


def save_state(storage: Storage, bot: Bot, state: BotState) -> None:
    """Replace the state of a bot. Raises StorageUnusable."""
    _STATES.save(storage, bot.name, state)


def after(state: BotState, outcome: Outcome, began: datetime, now: datetime) -> BotState:
    """The state after an outcome.

    The details of a failure say whether it is `permanent`, and `next_attempt_at` where a service
    named a time. A failure of the whole `site`, such as a full disk, is not counted against the
    bot: it is due again as soon as that is fixed.
    """
    if outcome.status in _GOOD:
        return _succeeded(outcome, state, began, now)
    named = outcome.details.get("next_attempt_at")
    failures = state.failures + 1
    if outcome.status in (Status.SKIPPED, Status.INTERRUPTED):
        return replace(state, last_try=now)
    if outcome.details.get("site"):
        return replace(state, last_try=now, failures=failures)
    permanent = state.permanent + 1 if outcome.details.get("permanent") else 0
    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
    return replace(
        state,
        last_try=now,
        failures=failures,
        permanent=permanent,
        next_attempt_at=datetime.fromisoformat(named) if named else now + pause,
        parked=outcome.reason if _is_to_be_parked(outcome, permanent) else state.parked,
    )


def _is_to_be_parked(outcome: Outcome, permanent: int) -> bool:
    return permanent >= PARKED_AFTER or bool(outcome.details.get("crashed"))


def _succeeded(outcome: Outcome, state: BotState, began: datetime, now: datetime) -> BotState:
    posts = outcome.corpus.downloaded if outcome.corpus else 0
    trained = outcome.status is not Status.UNCHANGED
    return BotState(
        last_success=now,
        last_try=now,
        posts=posts or state.posts,
        seconds=(now - began).total_seconds() if trained else state.seconds,
    )
