from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier

import pytest

from tasks.core.names import Bot
from tasks.registry.attempts import attempts_of, begin_attempt, end_attempt
from tasks.storage import Storage, open_storage
from tests.forking import forking

ALICE = Bot.parse("alice")


def begin(url: str, together: Barrier) -> None:
    """In a process of its own: begin when all the others do."""
    storage = open_storage(url)
    together.wait()
    begin_attempt(storage, ALICE)


def test_beginnings_without_an_end_are_counted(storage: Storage) -> None:
    assert [begin_attempt(storage, ALICE) for _ in range(3)] == [0, 1, 2]
    assert attempts_of(storage, ALICE) == 3
    assert attempts_of(storage, Bot.parse("alice-bob")) == 0
    end_attempt(storage, ALICE)
    end_attempt(storage, ALICE)
    assert attempts_of(storage, ALICE) == 0
    assert storage.files("attempts") == {}
    assert storage.folders("attempts") == []
    assert begin_attempt(storage, ALICE) == 0


@pytest.mark.parametrize("where", ["storage", "bucket"])
def test_twenty_processes_that_begin_at_once_are_twenty(
    where: str, request: pytest.FixtureRequest
) -> None:
    storage: Storage = request.getfixturevalue(where)
    context = forking()
    together = context.Barrier(20)
    processes = [context.Process(target=begin, args=(storage.url, together)) for _ in range(20)]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    assert [each.exitcode for each in processes] == [0] * 20
    assert attempts_of(storage, ALICE) == 20
    end_attempt(storage, ALICE)
    assert attempts_of(storage, ALICE) == 0


def test_what_older_versions_counted_is_counted_on(storage: Storage) -> None:
    storage.write("attempts/alice.json", b'{\n  "begun": 2\n}\n')
    assert begin_attempt(storage, ALICE) == 2
    assert attempts_of(storage, ALICE) == 3
    end_attempt(storage, ALICE)
    assert attempts_of(storage, ALICE) == 0
    assert storage.files("attempts") == {}


def test_a_damaged_count_is_one_attempt_and_named(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.write("attempts/alice.json", b"{")
    assert begin_attempt(storage, ALICE) == 1
    assert f"@alice: {storage.local('attempts/alice.json')} is damaged" in caplog.text
    end_attempt(storage, ALICE)
    assert begin_attempt(storage, ALICE) == 0


def test_one_retrain_may_begin_while_another_ends(storage: Storage) -> None:
    """The end of one removes the folder in which the other is about to write."""

    def retrain(times: int) -> None:
        for _ in range(times):
            begin_attempt(storage, ALICE)
            end_attempt(storage, ALICE)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(retrain, [100] * 4))
    assert attempts_of(storage, ALICE) == 0
    assert storage.folders("attempts") == []
