from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pyarrow import fs as pafs

from tasks.core.errors import StorageUnusable, WrongStorage
from tasks.core.records import MANIFEST
from tasks.storage import Storage, open_storage


@pytest.fixture
def object_store(tmp_path: Path) -> Storage:
    """A storage that is not on this machine, as far as the code can tell."""
    (tmp_path / "bucket").mkdir()
    inner = pafs.SubTreeFileSystem(str(tmp_path / "bucket"), pafs.LocalFileSystem())
    return Storage("memory://bucket", inner, "root")


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "", "a/./../.."])
def test_no_key_leaves_the_root(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        storage.write(key, b"")


def test_a_file_is_written_read_and_listed(storage: Storage) -> None:
    storage.write_json("a/b.json", {"text": "ü\ud800"})
    storage.write("a/c.bin", b"c")
    assert storage.keys("a") == ["a/b.json", "a/c.bin"]
    assert storage.read("a/c.bin") == b"c"
    assert storage.read_json("a/none.json") is None
    storage.delete("a/c.bin")
    storage.delete("a/c.bin")
    assert storage.keys("a") == ["a/b.json"]


def test_a_folder_appears_whole_or_not_at_all(storage: Storage) -> None:
    def fill(text: str, *, fail: bool) -> None:
        with storage.new_folder("releases/a") as folder:
            (folder / "one").write_text(text)
            (folder / MANIFEST).write_text("{}")
            if fail:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        fill("first", fail=True)
    assert not storage.exists("releases/a")
    fill("second", fail=False)
    with pytest.raises(RuntimeError):
        fill("third", fail=True)
    assert storage.read("releases/a/one") == b"second"
    fill("fourth", fail=False)
    assert storage.read("releases/a/one") == b"fourth"
    assert [path.name for path in storage.local("releases").iterdir()] == ["a"]
    storage.delete("releases/a")
    assert storage.folders("releases") == []


def test_a_folder_without_manifest_is_refused(storage: Storage) -> None:
    with pytest.raises(AssertionError, match=MANIFEST), storage.new_folder("x/a") as folder:
        (folder / "one").write_text("1")
    assert not storage.exists("x/a")


def test_an_object_store_holds_files_and_folders_as_well(object_store: Storage) -> None:
    object_store.filesystem.create_dir("root/a")
    object_store.write("a/b", b"1")
    assert object_store.read("a/b") == b"1"
    object_store.filesystem.create_dir("root/r")
    with object_store.new_folder("r") as folder:
        (folder / "one").write_text("1")
        (folder / MANIFEST).write_text("{}")
    with object_store.folder("r") as folder:
        assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "one"]
    with pytest.raises(ValueError, match="not local"):
        object_store.local("a/b")


def test_a_local_folder_is_read_where_it_lies(storage: Storage) -> None:
    storage.write("r/one", b"1")
    with storage.folder("r") as folder:
        assert folder == storage.local("r")


def test_a_root_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongStorage, match="a part of the path is a file"):
        open_storage(str(tmp_path / "file"))
    with pytest.raises(WrongStorage, match="a part of the path is a file"):
        open_storage(str(tmp_path / "file" / "below"))


def test_a_url_that_means_nothing_is_refused_in_one_line() -> None:
    with pytest.raises(WrongStorage, match="s3://"):
        open_storage("nothing://x")


def test_a_full_disk_is_reported_and_leaves_nothing(full_disk: Path) -> None:
    storage = open_storage(str(full_disk))
    with pytest.raises(StorageUnusable, match="no space is left"):
        storage.write("a/b", b"x" * 1_000_000)
    with (
        pytest.raises(StorageUnusable, match="no space is left"),
        storage.new_folder("r/x") as folder,
    ):
        (folder / "big").write_bytes(b"x" * 1_000_000)
    assert storage.keys("a") == []
    assert list(storage.local("r").iterdir()) == []


def test_what_cannot_be_written_to_is_found_before_work_begins(full_disk: Path) -> None:
    storage = open_storage(str(full_disk))
    storage.require_writable()
    assert list(full_disk.iterdir()) == []
    (full_disk / "filling").write_bytes(b"x" * 128 * 1024)
    with pytest.raises(StorageUnusable, match="no space is left") as full:
        storage.require_writable()
    assert type(full.value) is StorageUnusable, "the storage is the right one"
    remounted = ["mount", "-o", "remount,ro", str(full_disk)]
    subprocess.run(remounted, check=True)
    with pytest.raises(WrongStorage, match="it is read-only"):
        storage.require_writable()


def test_other_trouble_is_not_disguised(storage: Storage) -> None:
    with pytest.raises(KeyError), storage.new_folder("r/x"):
        raise KeyError
    with pytest.raises(StorageUnusable, match="no space"), storage.new_folder("r/x"):
        # as safetensors words it
        raise RuntimeError("I/O error: No space left on device (os error 28)")
