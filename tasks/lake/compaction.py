"""Merging an account's small files, so that reading stays quick however often it is scraped.

A nightly scrape leaves a small file each night. Reading takes about 0.5 ms for each file on a disk
and 14 ms in an object store, whatever is in it: after a year of nights 0.2 s and 5 s, and 0.01 s
and 0.03 s where they are merged (`python -m tests.benchmarks.lake --s3`). With more than
`MAX_SMALL_FILES` small files, which take 0.01 s and 0.2 s, the next write merges them.

Any number of workers may do that at once, and each may die anywhere. The merged file is complete
before the others are deleted, and its segments keep their names (see `snapshot`): until then a
segment lies in two files and is read from one. A file is deleted only if another, later in
`merge_order`, holds all of its segments; so two workers never delete each other's files, and the
next write deletes what an interrupted worker left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.names import Handle
from tasks.lake.data_files import (
    GROUP_CHARACTERS,
    GROUP_ROWS,
    generation_of,
    install_data_file,
    new_draft,
    new_merged_name,
)
from tasks.lake.reading import scan_batches
from tasks.lake.schema import SCHEMA, merged_schema
from tasks.lake.snapshot import (
    Location,
    Snapshot,
    locations_in,
    merge_order,
    tombstone_key,
    with_snapshot,
)
from tasks.storage import Storage

MAX_SMALL_FILES = 16
SMALL_BYTES = 1_000_000
# A worker that has read a segment before its tombstone was written may still put it into a merged
# file, but not a month later. A tombstone of that age whose segment is in no file hides nothing.
_TOMBSTONES_KEPT = timedelta(days=30)


def compact(storage: Storage, handle: Handle, *, max_small: int = MAX_SMALL_FILES) -> None:
    """Compact an account's files after a write; only a listing where there is nothing to do.

    Merges the small files if there are more than `max_small`, rewrites merged files from which
    posts were deleted, and deletes files whose segments other files hold.
    Raises OptedOut, StorageUnusable, NetworkTrouble, TransientError.
    """
    if with_snapshot(storage, handle, partial(_merge, storage, handle, max_small)):
        with_snapshot(storage, handle, partial(_delete_redundant, storage, handle))


def _merge(storage: Storage, handle: Handle, max_small: int, snapshot: Snapshot) -> bool:
    """Merge what is due; returns whether there is something to delete now."""
    groups = list(_groups_to_merge(snapshot, max_small))
    for keys in groups:
        generation = 1 + max(map(generation_of, snapshot.sizes))
        _write_merged(storage, handle, locations_in(storage, snapshot, keys), generation)
    return bool(groups or _redundant(snapshot) or _expired_tombstones(snapshot))


def _groups_to_merge(snapshot: Snapshot, max_small: int) -> Iterator[list[str]]:
    """Groups of files, each of which is to become one file."""
    needed = sorted(snapshot.sizes.keys() - _redundant(snapshot))
    holed = [key for key in needed if _has_dead_segments(snapshot, key)]
    small = [key for key in needed if key not in holed and snapshot.sizes[key] < SMALL_BYTES]
    yield from ([key] for key in holed)
    if len(small) > max_small:
        yield small


def _has_dead_segments(snapshot: Snapshot, key: str) -> bool:
    return len(snapshot.live_segments(key)) < len(snapshot.merged.get(key, ()))


def _redundant(snapshot: Snapshot) -> set[str]:
    return {key for key in snapshot.sizes if _is_redundant(snapshot, key)}


def _is_redundant(snapshot: Snapshot, key: str) -> bool:
    """Whether a file has no live segment, or one merged file after it holds all of them."""
    live = snapshot.live_segments(key)
    later = (other for other in snapshot.merged if merge_order(other) > merge_order(key))
    return not live or any(live <= snapshot.live_segments(other) for other in later)


def _write_merged(
    storage: Storage, handle: Handle, locations: list[Location], generation: int
) -> None:
    schema = merged_schema(at.segment for at in locations)
    with new_draft(storage, handle) as draft:
        with pq.ParquetWriter(
            draft, schema, compression="zstd", write_page_checksum=True
        ) as writer:
            for group in _row_groups(scan_batches(storage, locations, SCHEMA.names)):
                writer.write_table(pa.Table.from_batches(group), row_group_size=GROUP_ROWS)
        install_data_file(storage, handle, draft, new_merged_name(generation))


def _row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if _is_full(group):
            yield group
            group = []
    if group:
        yield group


def _is_full(group: Collection[pa.RecordBatch]) -> bool:
    rows, size = sum(each.num_rows for each in group), sum(each.nbytes for each in group)
    return rows >= GROUP_ROWS or size >= GROUP_CHARACTERS


def _delete_redundant(storage: Storage, handle: Handle, snapshot: Snapshot) -> None:
    for key in sorted(_redundant(snapshot)):
        storage.delete(key)
    for name in sorted(_expired_tombstones(snapshot)):
        storage.delete(tombstone_key(handle, name))


def _expired_tombstones(snapshot: Snapshot) -> set[str]:
    limit = datetime.now(UTC) - _TOMBSTONES_KEPT
    held = {segment.name for segments in snapshot.merged.values() for segment in segments}
    return {name for name, since in snapshot.tombstones.items() if since and since < limit} - held
