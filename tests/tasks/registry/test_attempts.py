from __future__ import annotations

from tasks.core.names import Bot
from tasks.registry.attempts import attempts_of, begin_attempt, end_attempt
from tasks.storage import Storage

ALICE = Bot.parse("alice")


def test_beginnings_without_an_end_are_counted(storage: Storage) -> None:
    assert [begin_attempt(storage, ALICE) for _ in range(3)] == [0, 1, 2]
    assert attempts_of(storage, ALICE) == 3
    end_attempt(storage, ALICE)
    end_attempt(storage, ALICE)
    assert attempts_of(storage, ALICE) == 0
    assert begin_attempt(storage, ALICE) == 0
