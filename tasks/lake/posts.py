"""The lake: all posts as scraped, one Parquet dataset for each handle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import InvalidHandle
from tasks.core.names import Handle
from tasks.core.records import Post, digest
from tasks.lake.compaction import compact
from tasks.lake.data_files import FOLDER, data_file_keys, segment_name, write_segment
from tasks.lake.reading import read_table, scan_rows
from tasks.lake.schema import SCHEMA, WITHOUT_RAW
from tasks.lake.snapshot import Snapshot, locations, tombstone_key, with_snapshot
from tasks.lake.surrogates import replace_surrogates
from tasks.storage import Storage

__all__ = [
    "Appended",
    "LakeState",
    "append",
    "dataset_digest",
    "handles",
    "read",
    "rows_stored",
    "state",
]


@dataclass(frozen=True)
class Appended:
    """What an append did.

    new: rows written: posts not stored before, or stored with another text or kind.
    seen: posts that were given, repetitions included.
    """

    new: int
    seen: int


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
    storage: Storage, handle: Handle, posts: Iterable[list[Post]], *, scraped_at: datetime
) -> Appended:
    """Store the posts that are not stored yet: all of them, or none if anything fails.

    A post counts as stored if the latest row with its id has the same text and kind; so the same
    import done twice writes nothing. Of posts with the same id in one append, the first counts.
    Lone surrogates are replaced, see `replace_surrogates`.
    `scraped_at` is aware. Raises StorageUnusable, OptedOut, and whatever `posts` raises.
    """
    selector = _NewPosts(with_snapshot(storage, handle, partial(_stored_versions, storage)))
    batches = selector.select(posts)
    first = next(batches, None)
    if first is not None:
        key = write_segment(storage, handle, chain([first], batches), scraped_at)
        # The same rows may have been stored and deleted before.
        storage.delete(tombstone_key(handle, segment_name(key)))
        compact(storage, handle)
    return Appended(selector.new, selector.seen)


@dataclass
class _NewPosts:
    """Selects new posts; `versions` maps an id to a hash of what is stored under it.

    Python's 64-bit hash keeps a million posts small in memory. It is keyed by a secret of the
    process, so that no account can choose texts that collide.
    """

    versions: dict[str, int | None]
    new: int = 0
    seen: int = 0

    def select(self, batches: Iterable[list[Post]]) -> Iterator[list[Post]]:
        for batch in batches:
            self.seen += len(batch)
            new = [post for post in map(replace_surrogates, batch) if self._is_new(post)]
            self.new += len(new)
            if new:
                yield new

    def _is_new(self, post: Post) -> bool:
        version = self.versions.get(post.id, 0)
        self.versions[post.id] = None  # seen in this append
        return version is not None and version != _version(post.text, post.kind)


def _version(text: str, kind: str) -> int:
    return hash((text, str(kind))) or 1  # 0 means that the id is not stored


def _stored_versions(storage: Storage, snapshot: Snapshot) -> dict[str, int | None]:
    versions: dict[str, int | None] = {}
    columns = ["id", "text", "kind"]
    for ids, texts, kinds in scan_rows(storage, locations(storage, snapshot), columns):
        versions.update(zip(ids, map(_version, texts, kinds), strict=True))
    return versions


def read(storage: Storage, handle: Handle, *, with_raw: bool = False) -> pa.Table:
    """An account's posts, each id once as it was scraped last, oldest first.

    Posts without a date come first, in the order in which they were stored: by scrape, then by
    row. Equal dates are ordered by id, decimal ids by their value. The column `raw` is by far the
    largest and is left out unless asked for. Nothing stored gives no rows.
    Raises StorageUnusable.
    """
    columns = SCHEMA.names if with_raw else WITHOUT_RAW
    return _oldest_first(_latest(with_snapshot(storage, handle, partial(_rows, storage, columns))))


def _rows(storage: Storage, columns: list[str], snapshot: Snapshot) -> pa.Table:
    return read_table(storage, locations(storage, snapshot), columns)


def _latest(table: pa.Table) -> pa.Table:
    """The last row of each id, rows kept in order."""
    numbered = pa.table({"id": table["id"], "row": np.arange(table.num_rows)})
    last = numbered.group_by("id").aggregate([("row", "max")])["row_max"]
    return table.take(np.sort(last.to_numpy()))


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
    return LakeState(handle, rows, digest(*snapshot.segment_sizes()), tuple(sources))


def rows_stored(storage: Storage, handle: Handle) -> int:
    """The rows of an account's dataset, by the footers of its files.

    A post that was scraped again with another text counts twice. Raises StorageUnusable.
    """
    every = with_snapshot(storage, handle, partial(locations, storage))
    return sum(at.segment.rows for at in every)


def dataset_digest(storage: Storage, handle: Handle) -> str:
    """Changes if and only if an account's posts do; no rows are read. Raises StorageUnusable."""
    return with_snapshot(storage, handle, lambda snapshot: digest(*snapshot.segment_sizes()))


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
