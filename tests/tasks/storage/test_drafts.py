"""What a killed process leaves is removed; what a living one writes is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks.core.records import MANIFEST
from tasks.storage import Storage, open_storage, write_file
from tasks.storage.drafts import (
    abandoned_drafts,
    delete_abandoned,
    draft_file,
    draft_folder,
)

DAY = 24 * 60 * 60
WRITER = """
import sys, time
from tasks.storage import open_storage
storage = open_storage(sys.argv[1])
with storage.draft_file("posts") as one, storage.new_folder("posts/alice") as many:
    one.write_bytes(b"half")
    (many / "weights").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""
SPILLER = """
import sys, time
from tasks.storage.drafts import temporary_folder
with temporary_folder() as folder:
    (folder / "copy").write_bytes(b"half")
    print(folder, flush=True)
    time.sleep(float(sys.argv[1]))
"""


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)
    return path


def drafts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".draft-"))


def writer(folder: Path) -> subprocess.Popen[bytes]:
    """A process with a file and a folder half written, both unchanged for two days."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    for draft in (folder / "posts").iterdir():
        aged(draft, 2 * DAY)
    return process


def test_a_living_process_keeps_its_drafts_and_a_killed_one_does_not(tmp_path: Path) -> None:
    with writer(tmp_path / "living") as living, writer(tmp_path / "dead") as dead:
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        for name, left in (("living", 2), ("dead", 0)):
            assert len(drafts(tmp_path / name / "posts")) == 2
            open_storage(str(tmp_path / name)).write("posts/a", b"1")
            assert len(drafts(tmp_path / name / "posts")) == left
        living.send_signal(signal.SIGKILL)


def spiller(folder: Path, seconds: float) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds such a folder for so long, and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", SPILLER, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_temporary_folders_vanish_though_their_process_was_killed(tmp_path: Path) -> None:
    (dead, left), (living, held) = (spiller(tmp_path, seconds) for seconds in (60, 60))
    with dead, living:
        assert left.stat().st_mode & 0o777 == 0o700, "what is in it is not for others"
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        for folder in (left, held):
            aged(folder, 2 * DAY)
        last, own = spiller(tmp_path, 0)
        with last:
            last.wait()
        assert [folder.exists() for folder in (left, held, own)] == [False, True, False]
        living.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "age", "stays"),
    [
        (".draft-a.json-0123abcd", 2 * DAY, False),
        (".draft-0123456789abcdef0123456789abcdef", 2 * DAY, False),
        (".draft-a.json-0123abcd", DAY / 2, True),
        (".draft-of-a-letter", 2 * DAY, True),
        ("a-0123abcd", 2 * DAY, True),
    ],
)
def test_only_old_drafts_of_ours_are_removed(
    tmp_path: Path, name: str, age: float, stays: bool
) -> None:
    left = tmp_path / name
    left.write_bytes(b"half")
    aged(left, age)
    write_file(tmp_path / "b", b"1")
    assert left.exists() == stays


def test_folders_and_links_that_were_left_are_removed(storage: Storage) -> None:
    releases = storage.local("releases/alice")
    for name in (".draft-v1-0123abcd", ".draft-v1-0123abcd-old"):
        (releases / name / "below").mkdir(parents=True)
        (releases / name / "below" / "weights").write_bytes(b"half")
        aged(releases / name, 2 * DAY)
    link = releases / ".draft-latest-0123abcd"
    link.symlink_to("nowhere")
    aged(link, 2 * DAY)
    with storage.new_folder("releases/alice/v2") as folder:
        (folder / MANIFEST).write_text("{}")
    assert [path.name for path in releases.iterdir()] == ["v2"]


def test_strange_things_under_the_name_of_a_draft_stop_no_write(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".draft-pipe-0123abcd")  # to open it might wait for ever
    aged(tmp_path / ".draft-pipe-0123abcd", 2 * DAY)
    write_file(tmp_path / "b", b"1")
    assert (tmp_path / "b").read_bytes() == b"1"


def test_what_is_left_of_a_draft_vanishes(tmp_path: Path) -> None:
    for make in (draft_file, draft_folder):
        with pytest.raises(KeyError), make(tmp_path, "a") as draft:
            raise KeyError(draft)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_is_never_taken_for_abandoned_while_it_is_written(tmp_path: Path) -> None:
    over = threading.Event()

    def clean() -> None:
        while not over.is_set():
            for draft in abandoned_drafts(tmp_path):
                delete_abandoned(draft)

    cleaner = threading.Thread(target=clean)
    cleaner.start()
    for number in range(100):
        with draft_file(tmp_path, "a") as draft:
            draft.write_text(str(number))
            draft.replace(tmp_path / "b")
        with draft_folder(tmp_path, "c") as folder:
            (folder / "d").touch()
    over.set()
    cleaner.join()
    assert (tmp_path / "b").read_text() == "99"
