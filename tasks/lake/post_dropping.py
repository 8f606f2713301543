"""Taking posts out of the lake.

A piece that holds such posts is replaced by one without them: first the new piece is written, then
the old one is marked as gone, which is the instant at which its posts are out of the lake, and last
its bytes are removed from the files. A mark holds against every file, also against one into which
another worker is merging the old piece at this moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.compaction import tidy
from tasks.lake.data_files import PartVanished, part_key, piece_name, write_part
from tasks.lake.reading import read_places, scan_batches
from tasks.lake.schema import SCHEMA
from tasks.lake.snapshot import Dataset, Place, mark_key, places, steady
from tasks.storage import Storage


def drop_posts(
    storage: Storage, handle: Handle, ids: Collection[str], *, source: str | None = None
) -> int:
    """Remove the rows with these ids, of one source or of all; returns how many rows went.

    Interrupted anywhere, the same call finishes it.
    Raises StorageUnusable, NetworkTrouble, TransientError, OptedOut.
    """
    if not ids:
        return 0
    doomed = _Doomed(frozenset(ids), source)
    dropped = 0
    # Another worker may write such a row anew while it takes out others, so until none is found.
    while holding := steady(storage, handle, partial(_holding, storage, doomed)):
        dropped += sum(_replace(storage, handle, each, n, doomed) for each, n in holding)
    tidy(storage, handle)
    return dropped


@dataclass(frozen=True)
class _Doomed:
    """Tells the rows to remove."""

    ids: frozenset[str]
    source: str | None

    def rows(self, table: pa.Table | pa.RecordBatch) -> Any:
        """Whether each row of a table is one, as Arrow's booleans."""
        found = pc.is_in(table["id"], pa.array(sorted(self.ids), pa.string()))
        if self.source is None:
            return found
        return pc.and_(found, pc.equal(table["source"], pa.scalar(self.source)))


def _holding(storage: Storage, doomed: _Doomed, dataset: Dataset) -> list[tuple[Place, int]]:
    """Where the pieces lie that hold such rows, and how many each holds."""
    every = places(storage, dataset)
    rows = np.asarray(doomed.rows(read_places(storage, every, ["id", "source"])))
    ends = accumulate(place.piece.rows for place in every)
    counts = [
        int(rows[end - at.piece.rows : end].sum()) for at, end in zip(every, ends, strict=True)
    ]
    return [(place, count) for place, count in zip(every, counts, strict=True) if count]


def _replace(storage: Storage, handle: Handle, place: Place, rows: int, doomed: _Doomed) -> int:
    """Put a piece without such rows in the place of one with them; returns how many went.

    None go where another worker has replaced the piece meanwhile: the next look shows by what.
    """
    try:
        left = rows < place.piece.rows
        new = piece_name(_write_others(storage, handle, place, doomed)) if left else ""
    except PartVanished:
        return 0
    mark = mark_key(handle, place.piece.name)
    if storage.exists(mark):
        if new and storage.read(mark) != new.encode():
            storage.delete(part_key(handle, new))
        return 0
    storage.write(mark, new.encode())
    return rows


def _write_others(storage: Storage, handle: Handle, place: Place, doomed: _Doomed) -> str:
    others = _others(storage, handle, place, doomed)
    return write_part(storage, handle, others, place.piece.scraped_at)


def _others(
    storage: Storage, handle: Handle, place: Place, doomed: _Doomed
) -> Iterator[list[Post]]:
    for batch in scan_batches(storage, [place], SCHEMA.names):
        others = batch.filter(pc.invert(doomed.rows(batch)))
        yield [_post(row, handle) for row in others.to_pylist()]


def _post(row: dict[str, Any], handle: Handle) -> Post:
    known = {name: row[name] for name in ("id", "created_at", "text", "lang", "source", "raw")}
    return Post(handle=handle, kind=Kind(row["kind"]), **known)
