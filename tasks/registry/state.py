"""How each bot fares: one small file a bot, replaced whole, so that workers share them safely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.storage import Storage
from tasks.storage.state_file import Loaded, StateFiles

# Permanent failures in a row after which a bot is left alone until someone looks.
PARKED_AFTER = 3
# After a transient failure that names no time: an hour, doubled with each, a day at most.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=1)
_GOOD = (Status.RELEASED, Status.UNCHANGED, Status.HELD_BACK)


@dataclass(frozen=True)
class BotState:
    """What is remembered of a bot between its retrains; all times are aware, UTC.

    last_success: when its posts and its release last agreed. last_try: when it last ended.
    next_attempt_at: until then it is left alone. failures: in a row; permanent: of these, those
        that a repetition does not mend. parked: why it is left alone for good, or empty.
    posts: in the lake at its last success. seconds: what its last training run took.
    """

    last_success: datetime | None = None
    last_try: datetime | None = None
    next_attempt_at: datetime | None = None
    failures: int = 0
    permanent: int = 0
    parked: str = ""
    posts: int = 0
    seconds: float = 0.0


# Not replaced without being asked: what parked a bot is for a person to judge.
_STATES = StateFiles("states", BotState, remedy="delete it, and the bot counts as a new one")


def load_state(storage: Storage, bot: Bot) -> BotState:
    """What is remembered of a bot; of a new one, nothing. Raises DamagedState."""
    return _STATES.load(storage, bot.name) or BotState()


def load_states(storage: Storage) -> Loaded[BotState]:
    """What is remembered of every bot, by name."""
    return _STATES.load_all(storage)


def save_state(storage: Storage, bot: Bot, state: BotState) -> None:
    """Replace what is remembered of a bot. Raises StorageUnusable."""
    _STATES.save(storage, bot.name, state)


def after(state: BotState, outcome: Outcome, began: datetime, now: datetime) -> BotState:
    """What is to be remembered after an outcome.

    Its details tell of a failure: `permanent`, and `next_attempt_at` where a service named a time.
    One of the whole `site`, such as a full disk, is not counted against the bot: once that is
    mended, it is due at once.
    """
    if outcome.status in _GOOD:
        return _succeeded(outcome, state, began, now)
    named = outcome.details.get("next_attempt_at")
    failures = state.failures + 1
    if outcome.status is Status.SKIPPED:
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
    counts = outcome.corpus.counts.values() if outcome.corpus else ()
    trained = outcome.status is not Status.UNCHANGED
    return BotState(
        last_success=now,
        last_try=now,
        posts=sum(count.downloaded for count in counts) or state.posts,
        seconds=(now - began).total_seconds() if trained else state.seconds,
    )
