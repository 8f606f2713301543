from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.errors import DamagedState
from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.registry.state import BotState, after, load_state, load_states, save_state
from tasks.storage import Storage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Bot.parse("alice")


def outcome(status: Status, **details: object) -> Outcome:
    return Outcome("alice", status, "because", "2026-01-01", details=details)


def test_states_come_back_as_they_were(storage: Storage) -> None:
    assert load_state(storage, ALICE) == BotState()
    state = BotState(last_success=NOW, posts=7, parked="broken", seconds=1.5)
    save_state(storage, ALICE, state)
    save_state(storage, Bot.parse("a.example.com"), BotState())
    assert load_state(storage, ALICE) == state
    assert load_states(storage).values == {"alice": state, "a.example.com": BotState()}


def test_a_damaged_state_names_its_file(storage: Storage) -> None:
    storage.write("states/alice.json", b"{")
    save_state(storage, Bot.parse("bob"), BotState(posts=7))
    with pytest.raises(DamagedState, match=r"^@alice: .*alice\.json is damaged .*: delete it"):
        load_state(storage, ALICE)
    found = load_states(storage)
    assert found.values == {"bob": BotState(posts=7)}
    assert list(found.damaged) == ["alice"]


def test_failures_pause_longer_and_longer_and_a_success_ends_them() -> None:
    state, pauses = BotState(), []
    for _ in range(7):
        state = after(state, outcome(Status.FAILED, permanent=False), NOW, NOW)
        assert state.next_attempt_at is not None
        pauses.append(state.next_attempt_at - NOW)
    assert pauses == [timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24, 24)]
    assert (state.failures, state.permanent, state.parked) == (7, 0, "")
    began = NOW - timedelta(seconds=90)
    state = after(state, outcome(Status.RELEASED), began, NOW)
    assert state == BotState(last_success=NOW, last_try=NOW, seconds=90)


def test_a_service_names_the_time() -> None:
    until = NOW + timedelta(minutes=14)
    failed = outcome(Status.FAILED, permanent=False, next_attempt_at=until.isoformat())
    assert after(BotState(), failed, NOW, NOW).next_attempt_at == until


def test_a_bot_is_parked_after_permanent_failures_in_a_row_or_crashes() -> None:
    permanent = outcome(Status.FAILED, permanent=True)
    state = BotState()
    for parked in ("", "", "because"):
        state = after(state, permanent, NOW, NOW)
        assert state.parked == parked
    broken = after(BotState(permanent=2), outcome(Status.FAILED, permanent=False), NOW, NOW)
    assert (broken.permanent, broken.parked) == (0, "")
    crashed = outcome(Status.FAILED, permanent=True, crashed=True)
    assert after(BotState(), crashed, NOW, NOW).parked == "because"


def test_trouble_of_the_whole_site_is_not_the_bots_own() -> None:
    """Three nights with a full disk must not park every bot; when it is mended, all are due."""
    state = BotState(permanent=2, last_success=NOW)
    for _ in range(4):
        state = after(state, outcome(Status.FAILED, permanent=True, site=True), NOW, NOW)
    assert (state.parked, state.permanent, state.next_attempt_at) == ("", 2, None)
    assert (state.failures, state.last_try) == (4, NOW)


def test_a_skip_is_no_failure_and_unchanged_keeps_what_a_training_takes() -> None:
    state = BotState(last_success=NOW, failures=1, seconds=50, posts=9)
    later = NOW + timedelta(hours=1)
    skipped = after(state, outcome(Status.SKIPPED), NOW, later)
    assert (skipped.failures, skipped.last_success, skipped.last_try) == (1, NOW, later)
    unchanged = after(state, outcome(Status.UNCHANGED), later, later)
    assert (unchanged.seconds, unchanged.posts, unchanged.failures) == (50, 9, 0)
