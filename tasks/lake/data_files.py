"""An account's data files one by one: how each is named, opened and written.

A file is never changed. It holds the new rows of one scrape, or of several that were merged.
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
from tasks.lake.schema import SCHEMA, scrape_schema
from tasks.storage import Storage, sha256_of
from tasks.storage.opt_outs import refuse_opted_out
from tasks.storage.storage_errors import translate_errors

FOLDER = "posts"
GROUP_ROWS = 20_000
GROUP_CHARACTERS = 16_000_000
_SUFFIX = ".parquet"
_MERGED = re.compile(r"part-merged-(\d+)-[0-9a-f]{32}\.parquet")


class FileVanished(Exception):
    """A listed file is gone: another worker has moved its rows to another one."""


def is_data_file(name: str) -> bool:
    """Whether a file of this name holds posts."""
    return name.startswith("part-") and name.endswith(_SUFFIX)


def generation_of(key: str) -> int:
    """How often the rows of a file were merged at most; 0 for a file that a scrape wrote."""
    found = _MERGED.fullmatch(PurePosixPath(key).name)
    return int(found[1]) if found else 0


def new_merged_name(generation: int) -> str:
    """A name that no other file ever has, so that a deleted file never comes back."""
    return f"part-merged-{generation:06d}-{uuid.uuid4().hex}{_SUFFIX}"


def segment_name(key: str) -> str:
    """The name of the segment in a file that a scrape wrote."""
    return PurePosixPath(key).name.removesuffix(_SUFFIX)


def file_name(segment: str) -> str:
    """The name of the file that a scrape wrote for a segment."""
    return f"{segment}{_SUFFIX}"


def segment_key(handle: Handle, segment: str) -> str:
    """The key of the file that a scrape wrote for a segment."""
    return f"{FOLDER}/{handle}/{file_name(segment)}"


def data_file_keys(storage: Storage, handle: Handle) -> list[str]:
    """The keys of an account's data files, sorted."""
    keys = storage.keys(f"{FOLDER}/{handle}")
    return [key for key in keys if is_data_file(PurePosixPath(key).name)]


@contextmanager
def open_data_file(storage: Storage, key: str) -> Iterator[pq.ParquetFile]:
    """A file, to read. Raises FileVanished, NetworkTrouble, StorageUnusable if it is damaged."""
    name = storage.full(key)
    try:
        with translate_errors(storage.url), storage.filesystem.open_input_file(name) as stream:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
    except (pa.ArrowException, OSError, KeyError) as error:
        if not storage.exists(key):
            raise FileVanished(name) from error
        reason = str(error).split("\n", 1)[0]
        raise StorageUnusable(
            f"{name}: damaged ({reason}): restore it, or delete it and import its posts again"
        ) from error


def write_segment(
    storage: Storage, handle: Handle, batches: Iterable[list[Post]], scraped_at: datetime
) -> str:
    """Write posts as a file of their own, all or none; returns its key.

    Its name holds the digest of its bytes; row groups are bounded. Raises OptedOut,
    StorageUnusable.
    """
    with new_draft(storage, handle) as draft:
        _write(draft, handle, batches, scraped_at)
        name = f"part-{sha256_of(draft)[:32]}{_SUFFIX}"
        return install_data_file(storage, handle, draft, name)


@contextmanager
def new_draft(storage: Storage, handle: Handle) -> Iterator[Path]:
    """A draft in the account's own folder, where its removal finds it if this process is killed.

    Raises OptedOut where the account is removed meanwhile, StorageUnusable.
    """
    folder = f"{FOLDER}/{handle}"
    try:
        with storage.draft_file(folder) as draft:
            yield draft
    except Exception as error:
        storage.delete_empty(folder)
        if isinstance(error, FileNotFoundError):  # deleted with its folder
            refuse_opted_out(storage, handle)
        raise


def install_data_file(storage: Storage, handle: Handle, draft: Path, name: str) -> str:
    """Move a draft into an account's folder; returns its key.

    An account that was forgotten while the draft was written does not come back with it: its
    opt-out is stored before its posts are deleted. Raises OptedOut, StorageUnusable.
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
    schema = scrape_schema(scraped_at)
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
