"""The state files of an account's bots are found and removed, also where they are all there is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.core.errors import DamagedState
from tasks.core.names import Bot, Handle
from tasks.core.records import Outcome, Status
from tasks.core.settings import Settings
from tasks.registry.attempts import begin_attempt
from tasks.registry.due_marks import mark_due
from tasks.registry.outcomes import save_outcome
from tasks.registry.state import BotState, save_state
from tasks.removal.account_removal import plan_removal, remove_account
from tasks.storage import Storage

ALICE, NOW = Handle("alice"), datetime(2026, 1, 2, tzinfo=UTC)


def test_state_files_of_bots_without_a_corpus_are_removed(
    storage: Storage, bucket: Storage
) -> None:
    for each in (storage, bucket):
        save_outcome(each, Outcome("alice", Status.FAILED, "no posts are stored", "2026-01-01"))
        save_state(each, Bot.parse("alice-bob"), BotState())
        mark_due(each, Bot.parse("alice-carol"), "posts are gone", NOW)
        for name in ("alice-dave", "bob", "malice"):
            begin_attempt(each, Bot.parse(name))
        plan = plan_removal(each, ALICE, Settings())
        assert plan.bots == ("alice", "alice-bob", "alice-carol", "alice-dave")
        receipt = remove_account(each, ALICE, Settings(), NOW)
        assert [removal.key for removal in receipt.removed] == [
            "outcomes/alice.json",
            "states/alice-bob.json",
            "due/alice-carol.json",
            "attempts/alice-dave",
        ]
        assert [key.split("/")[1] for key in each.files("attempts")] == ["bob", "malice"]
        assert plan_removal(each, ALICE, Settings()).bots == ()


@pytest.mark.parametrize(
    "key", ["forgetting/alice.json", "sweeps/fox.json", "stops/x_api/1.json", "nights/1/plan.json"]
)
def test_a_damaged_file_that_may_name_the_account_is_named(storage: Storage, key: str) -> None:
    storage.write(key, b"{")
    with pytest.raises(DamagedState, match=rf"{key} is damaged .*: delete it"):
        remove_account(storage, ALICE, Settings(), NOW)
    storage.delete(key)
    assert remove_account(storage, ALICE, Settings(), NOW).handle == ALICE
