"""The files of an account's dataset, each by itself: its name, and how it is opened and written.

A file never changes. It holds the new rows of one scrape, or of several that were merged.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import OptedOut, StorageUnusable
from tasks.core.names import Handle
from tasks.core.records import Post
from tasks.lake.schema import SCHEMA, part_schema
from tasks.storage import Storage, sha256_of
from tasks.storage.opt_outs import refuse_opted_out
from tasks.storage.storage_errors import explained

FOLDER = "posts"
GROUP_ROWS = 20_000
GROUP_CHARACTERS = 16_000_000
_ENDING = ".parquet"
_MERGED = re.compile(r"part-merged-(\d+)-[0-9a-f]{32}\.parquet")


class PartVanished(Exception):
    """A file that was there is gone: another worker has put its rows elsewhere."""


def is_part(name: str) -> bool:
    """Whether a file of this name belongs to a dataset."""
    return name.startswith("part-") and name.endswith(_ENDING)


def generation_of(key: str) -> int:
    """How many times at most the rows of a file were merged: 0 for one as a scrape wrote it."""
    found = _MERGED.fullmatch(PurePosixPath(key).name)
    return int(found[1]) if found else 0


def new_merged_name(generation: int) -> str:
    """A name that no other file will ever have, so that a file that was deleted never returns."""
    return f"part-merged-{generation:06d}-{uuid.uuid4().hex}{_ENDING}"


def piece_name(key: str) -> str:
    """What a file's piece is called, if a scrape wrote the file."""
    return PurePosixPath(key).name.removesuffix(_ENDING)


def file_name(piece: str) -> str:
    """The name of the file that a scrape wrote."""
    return f"{piece}{_ENDING}"


def part_key(handle: Handle, piece: str) -> str:
    """The key of the file that a scrape wrote."""
    return f"{FOLDER}/{handle}/{file_name(piece)}"


def keys_of(storage: Storage, handle: Handle) -> list[str]:
    """The keys of an account's parts, sorted."""
    keys = storage.keys(f"{FOLDER}/{handle}")
    return [key for key in keys if is_part(PurePosixPath(key).name)]


@contextmanager
def opened(storage: Storage, key: str) -> Iterator[pq.ParquetFile]:
    """A part, to read. Raises PartVanished, NetworkTrouble, StorageUnusable where it is damaged."""
    name = storage.full(key)
    try:
        with explained(storage.url), storage.filesystem.open_input_file(name) as stream:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
    except (pa.ArrowException, OSError, KeyError) as error:
        if not storage.exists(key):
            raise PartVanished(name) from error
        reason = str(error).split("\n", 1)[0]
        raise StorageUnusable(
            f"{name}: damaged ({reason}): restore it, or delete it and import its posts again"
        ) from error


def write_part(
    storage: Storage, handle: Handle, batches: Iterable[list[Post]], scraped_at: datetime
) -> str:
    """Write posts as one part, whole or not at all, in row groups of bounded size; returns its key.

    Its name holds the digest of its bytes. Raises OptedOut, StorageUnusable.
    """
    with storage.draft_file(FOLDER) as draft:
        _write(draft, handle, batches, scraped_at)
        name = f"part-{sha256_of(draft)[:32]}{_ENDING}"
        return install_part(storage, handle, draft, name)


def install_part(storage: Storage, handle: Handle, draft: Path, name: str) -> str:
    """Make a draft a part of an account; returns its key.

    An account that was forgotten while the part was written does not come back with it: the note
    that it opted out stands before its posts are deleted. Raises OptedOut, StorageUnusable.
    """
    key = f"{FOLDER}/{handle}/{name}"
    storage.install_file(draft, key)
    try:
        refuse_opted_out(storage, handle)
    except OptedOut:
        storage.delete(key)
        raise
    return key


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
