from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.sources.file_sources import file_digest, open_file_source
from tests.tasks.sources.x_archive.archives import archive_files, tweet, write_folder, write_zip

FILES = archive_files([tweet(1, "one")])


def test_archives_are_recognised_by_what_is_in_them(tmp_path: Path):
    folder = write_folder(tmp_path / "folder", FILES)
    packed = write_zip(tmp_path / "posts.csv", FILES)
    for path in (folder, packed):
        source = open_file_source(path, None)
        assert (source.name, source.handle) == ("x_archive", Handle("alice"))


def test_a_table_needs_a_handle(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text\nhello\n")
    assert open_file_source(path, Handle("bob")).name == "table"
    with pytest.raises(BadInput, match="--handle"):
        open_file_source(path, None)


def test_what_is_not_there_or_no_archive_is_named(tmp_path: Path):
    with pytest.raises(UnreadableSource, match="there is no such file"):
        open_file_source(tmp_path / "nowhere", Handle("bob"))
    with pytest.raises(UnreadableSource, match="there is no such file"):
        file_digest(tmp_path / "nowhere")
    with pytest.raises(UnreadableSource, match="no posts of an X archive"):
        open_file_source(tmp_path, Handle("bob"))
    (tmp_path / "a.zip").write_text("not a zip at all")
    with pytest.raises(UnreadableSource, match=r"a\.zip: cannot be read"):
        open_file_source(tmp_path / "a.zip", Handle("bob"))


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_the_digest_of_an_archive_is_that_of_what_is_read(tmp_path: Path, write):
    first = file_digest(write(tmp_path / "a", FILES))
    assert first == file_digest(write(tmp_path / "b", FILES | {"data/media/x.jpg": "..."}))
    assert first != file_digest(write(tmp_path / "c", archive_files([tweet(1, "two")])))


def test_the_digest_of_a_table_is_that_of_its_bytes(tmp_path: Path):
    for name, text in (("a.txt", "x"), ("b.txt", "x"), ("c.txt", "y")):
        (tmp_path / name).write_text(text)
    assert file_digest(tmp_path / "a.txt") == file_digest(tmp_path / "b.txt")
    assert file_digest(tmp_path / "a.txt") != file_digest(tmp_path / "c.txt")
