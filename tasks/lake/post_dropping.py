"""Deleting posts from the lake.

A segment that holds such posts is replaced by one without them: the new segment is written first;
then the old one gets a tombstone, which takes its posts out of the lake at once; last, compaction
removes its bytes from the files. A tombstone hides its segment in every file, also in one into
which another worker is merging it at this moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.compaction import compact
from tasks.lake.data_files import FileVanished, segment_key, segment_name, write_segment
from tasks.lake.reading import read_table, scan_batches
from tasks.lake.schema import SCHEMA
from tasks.lake.snapshot import Location, Snapshot, locations, tombstone_key, with_snapshot
from tasks.storage import Storage


def drop_posts(
    storage: Storage, handle: Handle, ids: Collection[str], *, source: str | None = None
) -> int:
    """Delete the rows with these ids, of one source or of all; returns how many were deleted.

    After an interruption the same call finishes the work.
    Raises StorageUnusable, NetworkTrouble, TransientError, OptedOut.
    """
    return drop_matching(storage, handle, _WithIds(frozenset(ids), source)) if ids else 0


class RowFilter(Protocol):
    """Selects the rows to delete, by the values of some columns."""

    @property
    def columns(self) -> list[str]: ...  # noqa: D102 - see above

    def mask(self, table: pa.Table | pa.RecordBatch) -> Any:
        """For each row of a table whether it is to be deleted, as Arrow's booleans."""


def drop_matching(storage: Storage, handle: Handle, wanted: RowFilter) -> int:
    """Delete the rows that a filter selects, as `drop_posts`."""
    dropped = 0
    # Until none is found: another worker that deletes other rows may write such a row anew.
    while found := with_snapshot(storage, handle, partial(_find, storage, wanted)):
        dropped += sum(_replace(storage, handle, at, n, wanted) for at, n in found)
    compact(storage, handle)
    return dropped


@dataclass(frozen=True)
class _WithIds:
    """Selects the rows with some ids, of one source or of all."""

    ids: frozenset[str]
    source: str | None
    columns: ClassVar[list[str]] = ["id", "source"]

    def mask(self, table: pa.Table | pa.RecordBatch) -> Any:
        found = pc.is_in(table["id"], pa.array(sorted(self.ids), pa.string()))
        if self.source is None:
            return found
        return pc.and_(found, pc.equal(table["source"], pa.scalar(self.source)))


def _find(storage: Storage, wanted: RowFilter, snapshot: Snapshot) -> list[tuple[Location, int]]:
    """Where the segments lie that hold such rows, and how many each holds."""
    every = locations(storage, snapshot)
    mask = np.asarray(wanted.mask(read_table(storage, every, wanted.columns)))
    ends = accumulate(at.segment.rows for at in every)
    counts = [
        int(mask[end - at.segment.rows : end].sum()) for at, end in zip(every, ends, strict=True)
    ]
    return [(at, count) for at, count in zip(every, counts, strict=True) if count]


def _replace(storage: Storage, handle: Handle, at: Location, rows: int, wanted: RowFilter) -> int:
    """Replace a segment by one without such rows; returns how many were deleted.

    Returns 0 where another worker has replaced the segment meanwhile: the next snapshot shows it.
    """
    try:
        others_left = rows < at.segment.rows
        new = segment_name(_write_others(storage, handle, at, wanted)) if others_left else ""
    except FileVanished:
        return 0
    tombstone = tombstone_key(handle, at.segment.name)
    if storage.exists(tombstone):
        if new and storage.read(tombstone) != new.encode():
            storage.delete(segment_key(handle, new))
        return 0
    storage.write(tombstone, new.encode())
    return rows


def _write_others(storage: Storage, handle: Handle, at: Location, wanted: RowFilter) -> str:
    others = _others(storage, handle, at, wanted)
    return write_segment(storage, handle, others, at.segment.scraped_at)


def _others(
    storage: Storage, handle: Handle, at: Location, wanted: RowFilter
) -> Iterator[list[Post]]:
    for batch in scan_batches(storage, [at], SCHEMA.names):
        others = batch.filter(pc.invert(wanted.mask(batch)))
        yield [_post(row, handle) for row in others.to_pylist()]


def _post(row: dict[str, Any], handle: Handle) -> Post:
    known = {name: row[name] for name in ("id", "created_at", "text", "lang", "source", "raw")}
    return Post(handle=handle, kind=Kind(row["kind"]), **known)
