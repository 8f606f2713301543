"""Which bots are due, in which order, and how many of them a night's budget allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.registry.entries import Entry
from tasks.registry.state import BotState

# Seconds assumed for a retrain until one has been measured.
UNKNOWN_SECONDS = 300.0
# Nights begin a day apart, but a retrain ends some hours into its night: counted to the second, a
# daily bot would be due every second night. So a bot is due this much early, and at most a quarter
# of its cadence.
LONGEST_NIGHT = timedelta(hours=6)


@dataclass(frozen=True)
class NightBudget:
    """The limits of a night; None: no limit."""

    posts: int | None = None
    dollars: float | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Cost:
    """The most that a retrain is expected to use."""

    posts: int = 0
    dollars: float = 0.0
    seconds: float = UNKNOWN_SECONDS


@dataclass(frozen=True)
class Due:
    """A bot that is due, and why; overdue: seconds since its cadence passed, negative if early."""

    entry: Entry
    reason: str
    overdue: float


@dataclass(frozen=True)
class Selection:
    """The bots of a night in order, and those left out with the limit that they would exceed."""

    chosen: tuple[Due, ...]
    left: tuple[tuple[Due, str], ...]


def due(
    entry: Entry, state: BotState, now: datetime, *, mark: str | None, new_posts: int, enough: int
) -> Due | None:
    """Why a bot is due, or None.

    mark: why it was marked as due, whatever its cadence. new_posts: imported since its release;
    `enough` of them make it due, unless that is 0. A bot that is parked, or whose next attempt is
    later, is never due.
    """
    if state.parked or (state.next_attempt_at is not None and state.next_attempt_at > now):
        return None
    if state.last_success is None:
        return Due(entry, "never released", entry.cadence.total_seconds())
    late = now - state.last_success - entry.cadence
    overdue = late.total_seconds()
    if mark is not None:
        return Due(entry, mark, max(overdue, 0.0))
    if late >= -min(LONGEST_NIGHT, entry.cadence / 4):
        passed = "has passed" if overdue >= 0 else "passes tonight"
        return Due(entry, f"its cadence {passed}", overdue)
    if enough and new_posts >= enough:
        return Due(entry, f"{new_posts} new posts", 0.0)
    return None


def by_urgency(found: Iterable[Due]) -> list[Due]:
    """The highest priority first, among equals the longest overdue."""
    return sorted(found, key=lambda each: (-each.entry.priority, -each.overdue, each.entry.bot))


def within(found: Sequence[Due], costs: Sequence[Cost], budget: NightBudget) -> Selection:
    """As many as the budget allows, in order; where one does not fit, a cheaper later one may."""
    chosen: list[Due] = []
    left: list[tuple[Due, str]] = []
    posts, dollars, seconds = 0, 0.0, 0.0
    for each, cost in zip(found, costs, strict=True):
        after = (posts + cost.posts, dollars + cost.dollars, seconds + cost.seconds)
        if reason := _over(after, budget):
            left.append((each, reason))
        else:
            chosen.append(each)
            posts, dollars, seconds = after
    return Selection(tuple(chosen), tuple(left))


def _over(after: tuple[int, float, float], budget: NightBudget) -> str:
    posts, dollars, seconds = after
    if budget.posts is not None and posts > budget.posts:
        return f"over the night's {budget.posts:,} posts"
    if budget.dollars is not None and dollars > budget.dollars + 1e-9:
        return f"over the night's ${budget.dollars:,.2f}"
    if budget.hours is not None and seconds > budget.hours * 3600:
        return f"over the night's {budget.hours:g} hours"
    return ""
