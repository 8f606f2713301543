from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from tasks.core.names import Bot
from tasks.core.records import Corpus, FileRef, Outcome, Status
from tasks.core.settings import settings
from tasks.operations.tidying import IN_USE, REMEMBERED, RESUMABLE, tidy
from tasks.registry.outcomes import save_outcome
from tasks.storage import Storage
from tasks.tidy import tidy_this_machine
from tasks.tracking.wandb_environment import wandb_confined_to

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


def test_losses_stay_as_long_as_the_bot_has_a_release(storage: Storage) -> None:
    write(storage, "losses/alice.json")
    write(storage, "losses/bob.json")
    release(storage)
    assert tidy(storage, NOW).files == {"losses": 1}
    assert storage.exists("losses/alice.json")


@pytest.mark.parametrize(
    ("key", "age"),
    [
        (checkpoint(OLD), IN_USE),
        (corpus("old"), IN_USE),
        ("resume/alice/bbbb/000000009/manifest.json", RESUMABLE),
        ("losses/alice.json", IN_USE),
        ("nights/2025-01-01/plan.json", REMEMBERED),
        ("nights/backfill-1/plan.json", REMEMBERED),
        ("stops/x_api/0123456789abcdef.json", REMEMBERED),
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


def test_empty_folders_of_backfills_go(storage: Storage) -> None:
    storage.local("nights/backfill-1").mkdir(parents=True)
    write(storage, "nights/backfill-2/plan.json", NOW)
    tidy(storage, NOW)
    assert storage.folders("nights") == ["nights/backfill-2"]


@pytest.fixture
def home(tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Prefect's home on a machine that keeps runs for 30 days."""
    monkeypatch.setenv("HUGGINGTWEETS_STORAGE", storage.url)
    settings.cache_clear()
    home = tmp_path / "home"
    with temporary_settings({PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}):
        yield home


def leave(path: Path, content: str, days: int) -> Path:
    """A file that was written so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    at = (NOW - timedelta(days=days)).timestamp()
    for each in (path, *path.parents[:3]):
        os.utime(each, (at, at))
    return path


OF_A_TASK = json.dumps({"metadata": {}, "result": '{"__class__": "tasks.core.records.Corpus"}'})
OF_A_FLOW = json.dumps([{"__class__": "tasks.core.records.Outcome"}])
OF_A_NIGHT = json.dumps({"night": "2025-01-01", "counts": {}, "bots": []})


@pytest.mark.parametrize("content", [OF_A_TASK, OF_A_FLOW, OF_A_NIGHT])
def test_results_of_ours_go_with_their_runs(home: Path, content: str) -> None:
    old = leave(home / "storage" / "a", content, 31)
    young = leave(home / "storage" / "b", content, 29)
    freed = tidy_this_machine(NOW)
    assert (old.exists(), young.exists()) == (False, True)
    assert freed.files == {"results of Prefect": 1}
    assert freed.bytes == {"results of Prefect": len(content)}


@pytest.mark.parametrize("content", ["", "{", '{"result": "1"}', "[" * 100_000, '{"night": 1}'])
def test_results_of_other_projects_stay(home: Path, content: str) -> None:
    other = leave(home / "storage" / "a", content, 400)
    tidy_this_machine(NOW)
    assert other.exists()


def test_messages_that_the_server_lost_go(home: Path) -> None:
    lost = [leave(home / "dlq" / f"{days}", "{}", days) for days in (29, 31)]
    tidy_this_machine(NOW)
    assert [path.exists() for path in lost] == [True, False]


@pytest.mark.usefixtures("home")
def test_tracked_runs_that_nobody_sends_go(storage: Storage) -> None:
    runs = storage.local("wandb/alice")
    for days in (89, 91):
        leave(runs / f"train-{days}" / "wandb" / "offline-run-x" / "run-x.wandb", "record", days)
    freed = tidy_this_machine(NOW)
    assert [path.name for path in runs.iterdir()] == ["train-89"]
    assert freed.bytes == {"tracked runs": len("record")}


@pytest.mark.usefixtures("home")
def test_a_tracked_run_that_is_being_written_stays(storage: Storage) -> None:
    run = storage.local("wandb/alice/train-1")
    with wandb_confined_to(run):
        for path in [
            run,
            *run.rglob("*"),
            leave(run / "wandb" / "run-x" / "run-x.wandb", "record", 91),
        ]:
            os.utime(path, (LONG_AGO.timestamp(),) * 2)
        tidy_this_machine(NOW)
        assert run.exists()
    tidy_this_machine(NOW)
    assert not run.exists()
