"""The lake: all posts as scraped, one Parquet dataset for each handle."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import InvalidHandle, StorageUnusable, TransientError
from tasks.core.names import Handle
from tasks.core.records import Post, digest
from tasks.lake.compaction import compact
from tasks.lake.data_files import FOLDER, data_file_keys, segment_name, write_segment
from tasks.lake.edits import replaced_ids, save_edits
from tasks.lake.new_posts import NewPosts, scan
from tasks.lake.reading import read_table, scan_batches
from tasks.lake.schema import SCHEMA, WITHOUT_RAW
from tasks.lake.snapshot import Snapshot, locations, tombstone_key, with_snapshot
from tasks.lake.versions import richest
from tasks.storage import Storage

log = logging.getLogger("huggingtweets")
__all__ = [
    "Appended",
    "LakeState",
    "append",
    "characters_stored",
    "dataset_digest",
    "handles",
    "ids_from",
    "read",
    "rows_stored",
    "state",
]


@dataclass(frozen=True)
class Appended:
    """What an append did.

    new: posts that were not stored before, or only in a poorer version.
    seen: posts that were given, repetitions included.
    repeats: fingerprints of given versions that another import had stored, if asked for.
    """

    new: int
    seen: int
    repeats: frozenset[int] = field(default=frozenset(), repr=False, compare=False)


@dataclass(frozen=True)
class LakeState:
    """What is stored of an account.

    rows: posts, each id counted once.
    digest: changes if and only if the posts do; merging files does not change it.
    sources: where the posts came from, sorted.
    """

    handle: Handle
    rows: int
    digest: str
    sources: tuple[str, ...]


def append(
    storage: Storage,
    handle: Handle,
    posts: Iterable[list[Post]],
    *,
    scraped_at: datetime,
    own: Collection[datetime] | None = None,
) -> Appended:
    """Store the posts that are not stored yet: all of them, or none if anything fails.

    A version of a post is stored once from each source, so that the same import done twice writes
    nothing; `read` gives the richest (see `versions`). Posts with made ids are known by their
    texts, also those that an earlier version of this program stored with other ids.
    Lone surrogates are replaced, see `replace_surrogates`.
    scraped_at: aware; the append is known by it, see `imports`.
    own: instants of earlier appends of the same import; with them, `repeats` are found.
    Raises StorageUnusable, OptedOut, and whatever `posts` raises.
    """
    stored = scan(storage, handle, own or ())
    selector = NewPosts(stored, with_repeats=own is not None)
    batches = selector.select(posts)
    first = next(batches, None)
    key = None
    if first is not None:
        key = write_segment(storage, handle, chain([first], batches), scraped_at)
        # The same rows may have been stored and deleted before.
        storage.delete(tombstone_key(handle, segment_name(key)))
    if selector.replaced - stored.replaced:
        save_edits(storage, handle, selector.replaced, scraped_at)
    if key is not None:
        _compact_if_possible(storage, handle)
    return Appended(selector.new, selector.seen, frozenset(selector.repeats))


def _compact_if_possible(storage: Storage, handle: Handle) -> None:
    """Compact an account's files. The rows are stored already, so trouble is no failure of theirs.

    Raises OptedOut.
    """
    try:
        compact(storage, handle)
    except (StorageUnusable, TransientError) as error:
        log.warning(
            "@%s: the posts are stored, but their files are not merged yet: the next import tries "
            "again (%s)", handle, error,
        )  # fmt: skip


def read(storage: Storage, handle: Handle, *, with_raw: bool = False) -> pa.Table:
    """An account's posts, each id once in its richest version, oldest first.

    Earlier versions of edited posts are left out.

    Posts without a date come first, in the order in which they were stored: by scrape, then by
    row. Equal dates are ordered by id, decimal ids by their value. The column `raw` is by far the
    largest and is left out unless asked for. Nothing stored gives no rows.
    Raises StorageUnusable.
    """
    columns = SCHEMA.names if with_raw else WITHOUT_RAW
    rows = with_snapshot(storage, handle, partial(_rows, storage, columns))
    return _oldest_first(richest(rows))


def _rows(storage: Storage, columns: list[str], snapshot: Snapshot) -> pa.Table:
    """All rows, but for those of earlier versions of edited posts."""
    rows = read_table(storage, locations(storage, snapshot), columns)
    if not (replaced := replaced_ids(storage, snapshot.handle, snapshot.edits)):
        return rows
    return rows.filter(pc.invert(pc.is_in(rows["id"], pa.array(sorted(replaced)))))


def _oldest_first(table: pa.Table) -> pa.Table:
    dated = pc.is_valid(table["created_at"])
    keys = {
        "dated": pc.if_else(dated, 1, 0),
        "created_at": table["created_at"],
        "stored": pc.if_else(dated, 0, np.arange(table.num_rows)),
        "digits": pc.utf8_length(table["id"]),  # the longer of two decimal ids is the higher
        "id": table["id"],
    }
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return table.take(order)


def state(storage: Storage, handle: Handle) -> LakeState:
    """What is stored of an account; only two small columns are read. Raises StorageUnusable."""
    return with_snapshot(storage, handle, partial(_state, storage, handle))


def _state(storage: Storage, handle: Handle, snapshot: Snapshot) -> LakeState:
    table = _rows(storage, ["id", "source"], snapshot)
    sources = sorted(map(str, pc.unique(table["source"]).to_pylist()))
    rows = pc.count_distinct(table["id"]).as_py()
    return LakeState(handle, rows, _digest(snapshot), tuple(sources))


def _digest(snapshot: Snapshot) -> str:
    return digest(*snapshot.segment_sizes(), *sorted(snapshot.edits))


def rows_stored(storage: Storage, handle: Handle) -> int:
    """The rows of an account's dataset, by the footers of its files.

    Each version of a post counts. Raises StorageUnusable.
    """
    every = with_snapshot(storage, handle, partial(locations, storage))
    return sum(at.segment.rows for at in every)


def characters_stored(storage: Storage, handle: Handle, enough: int) -> int:
    """The characters of an account's posts, counted until there are enough.

    A post that was scraped again with another text counts twice. Raises StorageUnusable.
    """

    def count(snapshot: Snapshot) -> int:
        found = 0
        for batch in scan_batches(storage, locations(storage, snapshot), ["text"]):
            texts: Any = batch.column("text")
            found += pc.sum(pc.utf8_length(texts)).as_py() or 0
            if found >= enough:
                break
        return found

    return with_snapshot(storage, handle, count)


def dataset_digest(storage: Storage, handle: Handle) -> str:
    """Changes if and only if an account's posts do; no rows are read. Raises StorageUnusable."""
    return with_snapshot(storage, handle, _digest)


def ids_from(storage: Storage, handle: Handle, source: str) -> list[str]:
    """The ids of all posts that a source gave, whichever version counts; each id once, sorted."""
    rows = with_snapshot(storage, handle, partial(_every_row, storage))
    found = rows.filter(pc.equal(rows["source"], pa.scalar(source)))["id"]
    return sorted(map(str, pc.unique(found).to_pylist()))


def _every_row(storage: Storage, snapshot: Snapshot) -> pa.Table:
    return read_table(storage, locations(storage, snapshot), ["id", "source"])


def handles(storage: Storage) -> list[Handle]:
    """The accounts that have posts in the lake, sorted."""
    found = []
    for folder in storage.folders(FOLDER):
        try:
            handle = Handle.parse(PurePosixPath(folder).name)
        except InvalidHandle:
            continue  # not a folder of ours
        if data_file_keys(storage, handle):
            found.append(handle)
    return sorted(found)
