from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.registry.due import Budget, Cost, Due, chunks, due, in_order, within
from tasks.registry.entries import Entry
from tasks.registry.state import BotState

NOW = datetime(2026, 1, 10, tzinfo=UTC)
FRESH = BotState(last_success=NOW - timedelta(hours=1))
OLD = BotState(last_success=NOW - timedelta(days=9))


def entry(name: str = "alice", priority: int = 0) -> Entry:
    return Entry(handles=(name,), priority=priority)


def why(state: BotState, **changes: Any) -> str | None:
    facts = {"mark": None, "new_posts": 0, "enough": 100, **changes}
    found = due(entry(), state, NOW, **facts)
    return found.reason if found else None


@pytest.mark.parametrize(
    ("state", "changes", "reason"),
    [
        (BotState(), {}, "never released"),
        (FRESH, {}, None),
        (OLD, {}, "its cadence has passed"),
        (FRESH, {"mark": "posts are gone"}, "posts are gone"),
        (FRESH, {"new_posts": 99}, None),
        (FRESH, {"new_posts": 100}, "100 new posts"),
        (FRESH, {"new_posts": 100, "enough": 0}, None),
        (BotState(next_attempt_at=NOW + timedelta(seconds=1)), {}, None),
        (BotState(next_attempt_at=NOW), {}, "never released"),
        (BotState(last_success=OLD.last_success, parked="broken"), {"mark": "gone"}, None),
    ],
)
def test_when_a_bot_is_due(state: BotState, changes: dict[str, Any], reason: str | None) -> None:
    assert why(state, **changes) == reason


def test_priority_goes_before_delay_and_delay_before_the_name() -> None:
    found = [
        Due(entry("d"), "", 5), Due(entry("c"), "", 9), Due(entry("b"), "", 9),
        Due(entry("a", priority=1), "", 0),
    ]  # fmt: skip
    assert [each.entry.bot.name for each in in_order(found)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("budget", "chosen", "reason"),
    [
        (Budget(), "abc", ""),
        (Budget(posts=3_300), "ac", "over the night's 3,300 posts"),
        (Budget(dollars=17), "ac", "over the night's $17.00"),
        (Budget(hours=0.1), "a", "over the night's 0.1 hours"),
    ],
)
def test_a_budget_leaves_what_does_not_fit(budget: Budget, chosen: str, reason: str) -> None:
    found = [Due(entry(name), "", 0) for name in "abc"]
    costs = [Cost(3_200, 16, 300), Cost(3_200, 16, 300), Cost(100, 0.5, 300)]
    selection = within(found, costs, budget)
    assert "".join(each.entry.bot.name for each in selection.chosen) == chosen
    assert {why for _, why in selection.left} == ({reason} if reason else set())


def test_chunks_hold_all_in_order() -> None:
    found = [Due(entry(name), "", 0) for name in "abcde"]
    assert [[each.entry.bot.name for each in chunk] for chunk in chunks(found, 2)] == [
        ["a", "b"], ["c", "d"], ["e"],
    ]  # fmt: skip
