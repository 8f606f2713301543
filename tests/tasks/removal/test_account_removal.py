"""The removal of an account finds what killed processes left, and goes on where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core.errors import BadInput, OptedOut
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.settings import Settings
from tasks.lake.data_files import write_segment
from tasks.removal.account_removal import lift_ban, plan_removal, remove_account
from tasks.removal.this_machine import ThisMachine
from tasks.storage import Storage
from tasks.storage.drafts import draft_file, temporary_folder
from tasks.storage.opt_outs import opt_out, refuse_opted_out
from tests.tasks.removal.traces import traces

ALICE, NOW = Handle("alice"), datetime(2026, 1, 2, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
IMPORTER = """
import sys, time
from datetime import UTC, datetime
from tasks.core.names import Handle
from tasks.lake.data_files import write_segment
from tasks.storage import open_storage
from tests.tasks.removal.test_account_removal import posts

def batches():
    yield posts(30_000)
    print("half", flush=True)
    time.sleep(600)

write_segment(open_storage(sys.argv[1]), Handle("alice"), batches(), datetime.now(UTC))
"""


def posts(count: int) -> list[Post]:
    return [
        Post(str(number), ALICE, NOW, f"I am alice, and this is {number}", "en", Kind.POST,
             "table", "{}")
        for number in range(count)
    ]  # fmt: skip


@contextmanager
def importing(storage_url: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported half of an account's posts."""
    command = [sys.executable, "-c", IMPORTER, storage_url]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        yield process
        process.kill()


def test_a_killed_import_leaves_nothing_that_the_removal_does_not_find(
    tmp_path: Path, storage: Storage
) -> None:
    with importing(storage.path, tmp_path) as process:
        process.send_signal(signal.SIGKILL)
    left = [path for path in Path(storage.path).rglob(".draft-*") if path.stat().st_size]
    assert len(left) == 1, "posts that were written before the process was killed"
    plan = plan_removal(storage, ALICE, Settings())
    assert [(each.key, each.files, each.bytes) for each in plan.stored] == [
        ("posts/alice", 1, left[0].stat().st_size)
    ]
    receipt = remove_account(storage, ALICE, Settings(), NOW)
    assert receipt.removed == plan.stored
    assert traces(storage, "alice") == {"opt-outs/alice.json", receipt.key}


def test_what_killed_processes_left_beside_the_folders_goes_too(storage: Storage) -> None:
    """Older versions wrote posts there; files beside the folders have their drafts there now."""
    left = ("posts/.draft-posts-0123abcd", "profiles/.draft-alice.json-0123abcd")
    for key in left:
        storage.local(key).parent.mkdir(parents=True)
        storage.local(key).write_bytes(b"alice")
    with draft_file(storage.local("posts"), "posts") as held:
        held.write_bytes(b"an import of an older version, which is under way")
        plan = plan_removal(storage, ALICE, Settings())
        receipt = remove_account(storage, ALICE, Settings(), NOW)
        assert held.exists()
    assert {each.key for each in plan.stored} == set(left)
    assert all(each.files == 1 and each.bytes == len(b"alice") for each in receipt.removed)
    assert traces(storage, "alice") == {"opt-outs/alice.json", receipt.key}


def test_temporary_copies_of_a_killed_process_go_too(
    tmp_path: Path, bucket: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an object store drafts are in the system's temporary folder."""
    folder = tmp_path / "temporary"
    dead = folder / ".draft-huggingtweets-0123abcd" / ".draft-alice-0123abcd"
    dead.parent.mkdir(parents=True)
    dead.write_bytes(b"posts of alice")
    (folder / ".draft-of-another-program-0123abcd").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    here = ThisMachine(bucket, Settings(cache=tmp_path / "cache"), tmp_path / "results")
    with temporary_folder() as held:
        (held / "a").write_bytes(b"of a process that lives")
        receipt = remove_account(bucket, ALICE, Settings(), NOW, [here])
        assert (held / "a").exists()
    (removed,) = receipt.removed
    assert removed.key == "temporary files that killed processes left"
    assert (removed.files, removed.bytes) == (1, len(b"posts of alice"))
    assert [path.name for path in folder.iterdir()] == [".draft-of-another-program-0123abcd"]


def test_an_import_that_is_under_way_ends_with_the_opt_out(
    storage: Storage, bucket: Storage
) -> None:
    for each in (storage, bucket):

        def batches(each: Storage = each) -> Iterator[list[Post]]:
            yield posts(10)
            remove_account(each, ALICE, Settings(), NOW)
            yield posts(10)

        with pytest.raises(OptedOut):
            write_segment(each, ALICE, batches(), NOW)
        assert each.files("posts") == {}
        assert not each.exists("posts/alice")


def test_a_removal_in_the_same_second_keeps_the_receipt_before(storage: Storage) -> None:
    storage.write("posts/alice/a", b"1")
    receipts = [remove_account(storage, ALICE, Settings(), NOW) for _ in range(3)]
    assert sorted(each.key for each in receipts) == storage.keys("receipts")
    assert storage.read_json(receipts[0].key)["removed"]


def test_a_removal_that_is_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.tasks.removal.killed_removal", tmp_path, "8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_ban_is_lifted_with_the_receipts_number(storage: Storage) -> None:
    first = remove_account(storage, ALICE, Settings(), NOW)
    second = remove_account(storage, ALICE, Settings(), NOW)
    for wrong in ("20260131T040000", "", "../opt-outs/alice", "x", "bob-20260102T000000"):
        with pytest.raises(BadInput, match="no receipt has the number"):
            lift_ban(storage, ALICE, wrong)
    with pytest.raises(OptedOut):
        refuse_opted_out(storage, ALICE)
    number = second.key.removeprefix("receipts/alice-").removesuffix(".json")
    assert lift_ban(storage, ALICE, number) == second.key
    refuse_opted_out(storage, ALICE)
    with pytest.raises(BadInput, match="has not opted out"):
        lift_ban(storage, ALICE, number)
    opt_out(storage, ALICE, NOW)
    assert lift_ban(storage, ALICE, f"/storage/{first.key}") == first.key


def test_a_removal_under_way_is_not_undone(storage: Storage) -> None:
    key = remove_account(storage, ALICE, Settings(), NOW).key
    storage.write("forgetting/alice.json", b"{}")
    with pytest.raises(BadInput, match="finish it"):
        lift_ban(storage, ALICE, key)


def test_an_account_of_mastodon_goes_with_its_bots_and_its_namesakes_stay(storage: Storage) -> None:
    alice, name = Handle.parse("alice@mastodon.social"), "alice__mastodon.social"
    theirs = [
        *(f"posts/{name}/1.parquet", f"profiles/{name}.json", f"accounts/{name}/x.json"),
        *(f"watermarks/{name}/x.json", f"releases/{name}/1/card", f"corpora/{name}_b__b.example/1"),
    ]
    others = [
        *("posts/alice/1.parquet", "posts/mastodon.social/1.parquet", "releases/alice-bob/1/card"),
        *("posts/alice__b.example/1.parquet", "releases/malice__mastodon.social/1/card"),
        *("releases/mastodon.social_b.example/1/card", "corpora/_alice__mastodon.social/1"),
    ]
    for key in (*theirs, *others):
        storage.write(key, b"content")
    remove_account(storage, alice, Settings(), NOW)
    assert [key for key in theirs if storage.exists(key)] == []
    assert [key for key in others if not storage.exists(key)] == []
    with pytest.raises(OptedOut):
        refuse_opted_out(storage, alice)
    refuse_opted_out(storage, ALICE)
