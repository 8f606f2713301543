from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.names import Bot
from tasks.core.records import Corpus, FileRef, Outcome, Status
from tasks.operations.tidying import IN_USE, REMEMBERED, RESUMABLE, tidy
from tasks.registry.outcomes import save_outcome
from tasks.storage import Storage

ALICE = Bot.parse("alice")
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=400)
KEPT, OLD = "a" * 64, "b" * 64


def write(storage: Storage, key: str, at: datetime = LONG_AGO) -> None:
    storage.write(key, b"x" * 100)
    os.utime(storage.local(key), (at.timestamp(), at.timestamp()))


def release(storage: Storage, fingerprint: str = KEPT) -> None:
    manifest = {"files": {}, "fingerprint": fingerprint, "corpus": {"uri": corpus("kept")}}
    storage.write("releases/alice/20250101-aaaaaaaa/manifest.json", json.dumps(manifest).encode())


def checkpoint(fingerprint: str) -> str:
    return f"checkpoints/alice/{fingerprint[:16]}/manifest.json"


def corpus(name: str) -> str:
    return f"corpora/alice/{name}.parquet"


def test_what_releases_were_made_from_stays_and_the_rest_goes(storage: Storage) -> None:
    release(storage)
    needed = [checkpoint(KEPT), corpus("kept"), corpus("all_posts"), corpus("last")]
    record = Corpus(ALICE, FileRef(corpus("last"), "", 1), "modern", {}, 1, 1, 1, ())
    save_outcome(storage, Outcome("alice", Status.HELD_BACK, "", "2025-01-01", corpus=record))
    superfluous = [checkpoint(OLD), corpus("old"), "resume/alice/bbbb/000000009/manifest.json"]
    for key in [*needed, *superfluous]:
        write(storage, key)
    freed = tidy(storage, NOW)
    assert all(storage.exists(key) for key in needed)
    assert not any(storage.exists(key) for key in superfluous)
    assert freed.files == {"checkpoints": 1, "corpora": 1, "resume": 1}
    assert freed.bytes == {"checkpoints": 100, "corpora": 100, "resume": 100}
    assert tidy(storage, NOW).files == {}, "a second time there is nothing to do"


@pytest.mark.parametrize(
    ("key", "age"),
    [
        (checkpoint(OLD), IN_USE),
        (corpus("old"), IN_USE),
        ("resume/alice/bbbb/000000009/manifest.json", RESUMABLE),
        ("nights/2025-01-01/plan.json", REMEMBERED),
        ("nights/backfill-1/plan.json", REMEMBERED),
    ],
)
def test_what_may_still_be_needed_stays(key: str, age: timedelta, storage: Storage) -> None:
    write(storage, key, NOW - age + timedelta(minutes=1))
    tidy(storage, NOW)
    assert storage.exists(key)
    write(storage, key, NOW - age - timedelta(minutes=1))
    tidy(storage, NOW)
    assert not storage.exists(key)


def test_damaged_files_of_a_bot_do_not_end_it(storage: Storage) -> None:
    release(storage)
    write(storage, checkpoint(KEPT))
    write(storage, checkpoint(OLD))
    storage.write("outcomes/alice.json", b"{")
    storage.write("releases/alice/20250202-bbbbbbbb/manifest.json", b"\xff")
    storage.write("releases/alice/20250203-bbbbbbbb/manifest.json", b'{"files": {}, "corpus": 7}')
    tidy(storage, NOW)
    assert storage.exists(checkpoint(KEPT))
    assert not storage.exists(checkpoint(OLD))


def test_nothing_of_others_is_touched(storage: Storage) -> None:
    others = ["posts/alice/part-1.parquet", "releases/alice/x/file", "checkpoints/not a bot!/x/y"]
    for key in others:
        write(storage, key)
    tidy(storage, NOW)
    assert all(storage.exists(key) for key in others)
