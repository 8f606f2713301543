"""The files of an account's dataset: each holds the new rows of one scrape and never changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import StorageUnusable
from tasks.lake.schema import SCHEMA, part_schema, scrape_of
from tasks.names import Handle
from tasks.records import Post
from tasks.storage import Storage, sha256_of

FOLDER = "posts"
GROUP_ROWS = 20_000
GROUP_CHARACTERS = 16_000_000
_SCANNED_ROWS = 10_000


@dataclass(frozen=True)
class Part:
    """One file of a dataset.

    key: its key below the storage root; scraped_at: of all its rows, UTC.
    """

    key: str
    scraped_at: datetime


def keys_of(storage: Storage, handle: Handle) -> list[str]:
    """The keys of an account's parts, sorted."""
    return [
        key
        for key in storage.keys(f"{FOLDER}/{handle}")
        if (name := PurePosixPath(key).name).startswith("part-") and name.endswith(".parquet")
    ]


def parts_of(storage: Storage, handle: Handle) -> list[Part]:
    """An account's parts, the earliest scrape first. Raises StorageUnusable."""
    parts = []
    for key in keys_of(storage, handle):
        with _opened(storage, key) as file:
            parts.append(Part(key, scrape_of(file.schema_arrow, storage.full(key))))
    return sorted(parts, key=lambda part: (part.scraped_at, part.key))


def count_rows(storage: Storage, key: str) -> int:
    """The rows of a part, by its footer. Raises StorageUnusable."""
    with _opened(storage, key) as file:
        return int(file.metadata.num_rows)


def read_part(storage: Storage, part: Part, columns: list[str]) -> pa.Table:
    """Some columns of a part, in the order of its rows. Raises StorageUnusable."""
    with _opened(storage, part.key) as file:
        return file.read(columns=columns).select(columns).replace_schema_metadata(None)


def scan_part(storage: Storage, part: Part, columns: list[str]) -> Iterator[tuple[list[Any], ...]]:
    """Some columns of a part as lists, some thousand rows at a time. Raises StorageUnusable."""
    with _opened(storage, part.key) as file:
        for batch in file.iter_batches(batch_size=_SCANNED_ROWS, columns=columns):
            yield tuple(batch.column(name).to_pylist() for name in columns)


@contextmanager
def _opened(storage: Storage, key: str) -> Iterator[pq.ParquetFile]:
    name = storage.full(key)
    try:
        with storage.filesystem.open_input_file(name) as stream:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).split("\n", 1)[0]
        raise StorageUnusable(
            f"{name}: damaged ({reason}): restore it, or delete it and import its posts again"
        ) from error


def write_part(
    storage: Storage, handle: Handle, batches: Iterable[list[Post]], scraped_at: datetime
) -> None:
    """Write posts as one part, whole or not at all, in row groups of bounded size.

    Its name holds the digest of its bytes. Raises StorageUnusable.
    """
    with storage.draft_file(FOLDER) as draft:
        _write(draft, handle, batches, scraped_at)
        name = f"part-{sha256_of(draft)[:32]}.parquet"
        storage.install_file(draft, f"{FOLDER}/{handle}/{name}")


def _write(path: Path, handle: Handle, batches: Iterable[list[Post]], scraped_at: datetime) -> None:
    schema = part_schema(scraped_at)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for group in _groups(batches):
            writer.write_table(_table(handle, group, scraped_at), row_group_size=GROUP_ROWS)


def _groups(batches: Iterable[list[Post]]) -> Iterator[list[Post]]:
    group: list[Post] = []
    characters = 0
    for batch in batches:
        for post in batch:
            group.append(post)
            characters += len(post.text) + len(post.raw)
            if len(group) >= GROUP_ROWS or characters >= GROUP_CHARACTERS:
                yield group
                group, characters = [], 0
    if group:
        yield group


def _table(handle: Handle, posts: list[Post], scraped_at: datetime) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "id": [post.id for post in posts],
        "handle": [handle.name] * len(posts),
        "created_at": [post.created_at for post in posts],
        "text": [post.text for post in posts],
        "lang": [post.lang for post in posts],
        "kind": [post.kind.value for post in posts],
        "source": [post.source for post in posts],
        "scraped_at": [scraped_at] * len(posts),
        "raw": [post.raw for post in posts],
    }
    return pa.Table.from_pydict(columns, schema=SCHEMA)
