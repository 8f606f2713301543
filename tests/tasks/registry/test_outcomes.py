from __future__ import annotations

import pytest

from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.registry.outcomes import load_outcome, load_outcomes, save_outcome
from tasks.storage import Storage

ALICE = Bot.parse("alice")


def outcome(name: str) -> Outcome:
    return Outcome(name, Status.SKIPPED, "why", "2026-01-01", details={"permanent": True})


def test_outcomes_come_back_by_name(storage: Storage) -> None:
    assert load_outcome(storage, ALICE) is None
    for name in ("bob", "alice"):
        save_outcome(storage, outcome(name))
    assert load_outcome(storage, ALICE) == outcome("alice")
    assert load_outcomes(storage).values == {"alice": outcome("alice"), "bob": outcome("bob")}


@pytest.mark.parametrize("content", [b"{", b"\xff", b"{}", b'{"status": "famous"}'])
def test_a_damaged_outcome_counts_as_none_until_it_is_replaced(
    storage: Storage, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    save_outcome(storage, outcome("bob"))
    storage.write("outcomes/alice.json", content)
    assert load_outcome(storage, ALICE) is None
    assert f"@alice: {storage.local('outcomes/alice.json')} is damaged" in caplog.text
    found = load_outcomes(storage)
    assert (list(found.values), list(found.damaged)) == (["bob"], ["alice"])
    assert "retrain the bot, which replaces it" in str(found.damaged["alice"])
    save_outcome(storage, outcome("alice"))
    assert load_outcomes(storage).damaged == {}
