"""Two paths are swapped in one step, so that a folder that is replaced is never missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.records import MANIFEST
from tasks.storage import Storage
from tasks.storage.exchange import exchange

KEY = "releases/alice/v1"
WATCHER = """
import os, sys
missed = False
print("watching", flush=True)
while os.path.exists(sys.argv[2]):
    missed |= not os.path.exists(sys.argv[1])
print("missed" if missed else "always there")
"""


def write(storage: Storage, content: str) -> None:
    with storage.new_folder(KEY) as draft:
        (draft / MANIFEST).write_text(content)


def test_folders_and_files_are_swapped(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "below").mkdir(parents=True)
    second.write_bytes(b"2")
    assert exchange(first, second)
    assert first.read_bytes() == b"2"
    assert (second / "below").is_dir()


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path, tmp_path / "nothing")


def test_a_folder_that_is_replaced_is_there_at_every_moment(
    tmp_path: Path, storage: Storage
) -> None:
    write(storage, "0")
    (tmp_path / "on").touch()
    command = [sys.executable, "-c", WATCHER, storage.local(KEY) / MANIFEST, tmp_path / "on"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "watching\n"
        for number in range(100):
            write(storage, str(number))
        (tmp_path / "on").unlink()
        assert watcher.stdout.read() == "always there\n"
    assert [path.name for path in storage.local("releases/alice").iterdir()] == ["v1"]
