from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from tasks.core.errors import StorageUnusable
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.data_files import GROUP_CHARACTERS, GROUP_ROWS, data_file_keys
from tasks.lake.posts import append, handles, read, state
from tasks.lake.schema import SCHEMA, VERSION
from tasks.storage import Storage

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def posts(count: int, text: str = "hi") -> list[Post]:
    return [
        Post(str(n), ALICE, NOW, text, "en", Kind.POST, "table", "{}") for n in range(1, count + 1)
    ]


def stored_file(storage: Storage, count: int = 3, text: str = "hi") -> Path:
    append(storage, ALICE, [posts(count, text)], scraped_at=NOW)
    (key,) = data_file_keys(storage, ALICE)
    return storage.local(key)


def test_a_data_file_says_its_schema(storage: Storage):
    schema = pq.read_schema(stored_file(storage))
    assert schema.equals(SCHEMA)
    assert schema.metadata[b"huggingtweets.schema"] == str(VERSION).encode()


def test_row_groups_are_bounded_by_rows_and_by_characters(storage: Storage, tmp_path: Path):
    file = pq.ParquetFile(stored_file(storage, GROUP_ROWS + 1))
    assert [file.metadata.row_group(n).num_rows for n in range(2)] == [GROUP_ROWS, 1]
    other = Storage("other", storage.filesystem, str(tmp_path / "other"))
    assert pq.ParquetFile(stored_file(other, 5, "x" * (GROUP_CHARACTERS // 2))).num_row_groups == 3


def test_the_same_rows_make_the_same_file(storage: Storage, tmp_path: Path):
    other = Storage("other", storage.filesystem, str(tmp_path / "other"))
    one, two = stored_file(storage), stored_file(other)
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_drafts_and_strange_files_are_not_data_files(storage: Storage):
    file = stored_file(storage)
    (file.parent / ".draft-abc").write_bytes(b"half")
    (file.parent / "readme.txt").write_bytes(b"mine")
    assert read(storage, ALICE).num_rows == 3
    assert list(Path(storage.path, "posts").iterdir()) == [file.parent]


def test_a_newer_schema_is_refused(storage: Storage):
    file = stored_file(storage)
    metadata = {**pq.read_schema(file).metadata, b"huggingtweets.schema": b"3"}
    pq.write_table(SCHEMA.empty_table().replace_schema_metadata(metadata), file)
    with pytest.raises(StorageUnusable, match=rf"{file}: written with version 3 .* update"):
        read(storage, ALICE)


@pytest.mark.parametrize("metadata", [None, {b"huggingtweets.schema": b"1"}])
def test_a_file_of_others_is_refused(storage: Storage, metadata: dict[bytes, bytes] | None):
    file = stored_file(storage)
    table = pa.table({"x": [1]}).replace_schema_metadata(metadata)
    pq.write_table(table, file)
    with pytest.raises(StorageUnusable, match="not a file of the lake"):
        state(storage, ALICE)


def test_a_data_file_without_a_column_is_named(storage: Storage):
    file = stored_file(storage)
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["text"]), file)
    with pytest.raises(StorageUnusable, match=rf"{file}: damaged"):
        read(storage, ALICE)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_data_file_cut_off_is_named(storage: Storage, share: float):
    file = stored_file(storage)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    for use in (read, state):
        with pytest.raises(StorageUnusable, match=rf"{file}: damaged .* import"):
            use(storage, ALICE)
    with pytest.raises(StorageUnusable, match="damaged"):
        append(storage, ALICE, [posts(1)], scraped_at=NOW)


def test_a_flipped_bit_in_the_rows_is_seen(storage: Storage):
    file = stored_file(storage, 50)
    content = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(0).column(3).data_page_offset
    content[start + 60] ^= 0x10
    file.write_bytes(content)
    with pytest.raises(StorageUnusable, match=rf"{file}: damaged"):
        read(storage, ALICE)


def test_a_lake_on_an_object_store(tmp_path: Path):
    (tmp_path / "bucket").mkdir()
    remote = pafs.SubTreeFileSystem(str(tmp_path / "bucket"), pafs.LocalFileSystem())
    remote.create_dir("root/posts/alice")  # an object store needs no folders
    storage = Storage("s3://bucket/root", remote, "root")
    assert not storage.is_local
    assert append(storage, ALICE, [posts(3)], scraped_at=NOW).new == 3
    assert append(storage, ALICE, [posts(4)], scraped_at=NOW).new == 1
    assert read(storage, ALICE)["id"].to_pylist() == ["1", "2", "3", "4"]
    assert handles(storage) == [ALICE]
