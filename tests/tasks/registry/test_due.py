from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.registry.due import Cost, Due, NightBudget, by_urgency, due, within
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
    assert [each.entry.bot.name for each in by_urgency(found)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("budget", "chosen", "reason"),
    [
        (NightBudget(), "abc", ""),
        (NightBudget(posts=3_300), "ac", "over the night's 3,300 posts"),
        (NightBudget(dollars=17), "ac", "over the night's $17.00"),
        (NightBudget(hours=0.1), "a", "over the night's 0.1 hours"),
    ],
)
def test_a_budget_leaves_what_does_not_fit(budget: NightBudget, chosen: str, reason: str) -> None:
    found = [Due(entry(name), "", 0) for name in "abc"]
    costs = [Cost(3_200, 16, 300), Cost(3_200, 16, 300), Cost(100, 0.5, 300)]
    selection = within(found, costs, budget)
    assert "".join(each.entry.bot.name for each in selection.chosen) == chosen
    assert {why for _, why in selection.left} == ({reason} if reason else set())


@pytest.mark.parametrize(
    ("cadence", "hours", "nights"),
    [
        ("1d", 0, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("1d", 5, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("2d", 5, [0, 2, 4, 6, 8]),
        ("1w", 0, [0, 7]),
        ("1w", 5, [0, 7]),
    ],
)
def test_a_cadence_of_days_is_kept_by_nights_that_take_hours(
    cadence: str, hours: int, nights: list[int]
) -> None:
    state, retrained = BotState(), []
    each = Entry(handles=("alice",), cadence=cadence)  # type: ignore[arg-type]  # as it is written
    for night in range(9):
        began = NOW + timedelta(days=night, seconds=night % 3)  # a schedule is late now and then
        if due(each, state, began, mark=None, new_posts=0, enough=0):
            state = BotState(last_success=began + timedelta(hours=hours, minutes=7))
            retrained.append(night)
    assert retrained == nights


def test_a_cadence_of_hours_is_not_cut_to_nothing() -> None:
    each = Entry(handles=("alice",), cadence=timedelta(hours=4))
    state = BotState(last_success=NOW - timedelta(hours=2))
    assert due(each, state, NOW, mark=None, new_posts=0, enough=0) is None
    found = due(each, state, NOW + timedelta(hours=1), mark=None, new_posts=0, enough=0)
    assert found is not None
    assert (found.reason, found.overdue) == ("its cadence passes tonight", -3600)
