from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasks.core.names import Bot
from tasks.registry.due_marks import clear_due, due_marks, mark_due
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
