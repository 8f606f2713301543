"""Which bots a night retrains, and what came of them in numbers and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.core.records import Outcome
from tasks.core.settings import settings
from tasks.ingest.services import SERVICES, X_API
from tasks.ingest.x_scrape import expected_posts
from tasks.lake.posts import rows_stored
from tasks.registry.due import Cost, Due, NightBudget, Selection, by_urgency, due, within
from tasks.registry.due_marks import due_marks
from tasks.registry.entries import Entry
from tasks.registry.state import BotState, load_states
from tasks.storage import Storage
from tasks.storage.opt_outs import opted_out


def select(
    storage: Storage, entries: tuple[Entry, ...], budget: NightBudget, at: datetime
) -> Selection:
    """The bots that are due, as many as the budget bears; none whose handle has opted out."""
    return selection_of(due_bots(storage, entries, at), budget)


def selection_of(found: Sequence[tuple[Due, Cost]], budget: NightBudget) -> Selection:
    """As many of the bots that are due as the budget bears."""
    return within([each for each, _ in found], [cost for _, cost in found], budget)


def due_bots(storage: Storage, entries: tuple[Entry, ...], at: datetime) -> list[tuple[Due, Cost]]:
    """The bots that are due, the most urgent first, with what each is expected to cost."""
    states, marks, out = load_states(storage), due_marks(storage), set(opted_out(storage))
    found: list[Due] = []
    for entry in entries:
        if out.intersection(handle.name for handle in entry.bot.handles):
            continue
        if error := states.damaged.get(entry.bot.name):
            found.append(Due(entry, str(error), 0.0))  # its own run fails for it
            continue
        state = states.values.get(entry.bot.name, BotState())
        mark = marks.get(entry.bot.name)
        each = due(
            entry,
            state,
            at,
            mark=mark.reason if mark else None,
            new_posts=_new_posts(storage, entry, state),
            enough=settings().due_posts,
        )
        if each is not None:
            found.append(each)
    return [
        (each, _cost(storage, each.entry, states.values.get(each.entry.bot.name)))
        for each in by_urgency(found)
    ]


def _new_posts(storage: Storage, entry: Entry, state: BotState) -> int:
    """Posts imported since the last success; those of a service come only with a retrain."""
    if state.last_success is None or set(entry.sources.values()) & set(SERVICES):
        return 0
    return sum(rows_stored(storage, handle) for handle in entry.bot.handles) - state.posts


def _cost(storage: Storage, entry: Entry, state: BotState | None) -> Cost:
    paid = [handle for handle in entry.bot.handles if entry.sources.get(handle.name) == X_API]
    posts = sum(expected_posts(storage, handle) for handle in paid)
    seconds = state.seconds if state and state.seconds else Cost.seconds
    return Cost(posts, posts * settings().x_price_post, seconds)


def summary_of(night: str, plan: dict[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What came of a night: of each bot, and of each status how many."""
    return {
        "night": night,
        "began": plan["began"],
        "ended": datetime.now(UTC).isoformat(),
        "counts": count_statuses(outcomes),
        "bots": [
            {"bot": each.bot, "outcome": each.status.value, "reason": each.reason}
            for each in outcomes
        ],
        "left": [{"bot": each["bot"], "why": each["why"]} for each in plan["left"]],
    }


def count_statuses(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many bots have each status."""
    return dict(Counter(outcome.status.value for outcome in outcomes))


def counts_text(summary: dict[str, Any]) -> str:
    """The counts of a night's summary in words."""
    counts = summary["counts"].items()
    return ", ".join(f"{number} {status}" for status, number in counts) or "none was due"
