from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.names import Bot
from tasks.registry.due_marks import clear_due, due_marks, is_due, mark_due
from tasks.storage import Storage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Bot.parse("alice")


def test_a_mark_stays_until_a_training_that_began_after_it(storage: Storage) -> None:
    mark_due(storage, ALICE, "posts are gone", NOW)
    clear_due(storage, ALICE, NOW - timedelta(seconds=1))
    assert due_marks(storage)["alice"].marked_at == NOW
    clear_due(storage, ALICE, NOW + timedelta(seconds=1))
    assert due_marks(storage) == {}
    clear_due(storage, ALICE, NOW)  # nothing is marked, nothing happens


@pytest.mark.parametrize("content", [b"{", b"\xff", b"{}"])
def test_a_damaged_mark_is_a_mark_of_when_it_was_written(
    storage: Storage, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    mark_due(storage, Bot.parse("bob"), "posts are gone", NOW)
    storage.write("due/alice.json", content)
    os.utime(storage.local("due/alice.json"), (NOW.timestamp(), NOW.timestamp()))
    marks = due_marks(storage)
    assert sorted(marks) == ["alice", "bob"]
    assert marks["alice"].reason.startswith(f"@alice: {storage.local('due/alice.json')} is damaged")
    assert marks["alice"].reason in caplog.text
    clear_due(storage, ALICE, NOW - timedelta(seconds=1))
    assert is_due(storage, ALICE)
    clear_due(storage, ALICE, NOW + timedelta(seconds=1))
    assert not is_due(storage, ALICE)
