"""Merging an account's small files, so that reading stays quick however often it is scraped.

A nightly scrape leaves a small file each night. Reading takes about 0.5 ms for each file on a disk
and 14 ms in an object store, whatever is in it: after a year of nights 0.2 s and 5 s, and 0.01 s
and 0.03 s where they are merged (`python -m tests.benchmarks.lake --s3`). With more than
`MOST_SMALL` small files, which take 0.01 s and 0.2 s, the next write merges them.

Any number of workers may do that at once, and each may die anywhere. The merged file is there
whole before the others go, and the pieces in it keep their names (see `dataset`): until the
others are gone the same piece lies in two files and is read from one. A file goes only if another,
which is above it in one fixed order of files, holds all that it holds; so two workers never delete
each other's files, and what one has left the next write removes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.names import Handle
from tasks.lake.data_files import (
    FOLDER,
    GROUP_CHARACTERS,
    GROUP_ROWS,
    generation_of,
    install_part,
    new_merged_name,
)
from tasks.lake.reading import scan_batches
from tasks.lake.schema import SCHEMA, merged_schema
from tasks.lake.snapshot import Dataset, Place, mark_key, places_in, rank, steady
from tasks.storage import Storage

MOST_SMALL = 16
SMALL_BYTES = 1_000_000
# A worker that has read a piece before it was marked may still write it into a merged file. None
# takes so long; and where no file holds the piece after that time, the mark has nothing to hide.
_MARKS_KEPT = timedelta(days=30)


def tidy(storage: Storage, handle: Handle, *, most: int = MOST_SMALL) -> None:
    """Bring an account's files in order after a write; a cheap look where there is nothing to do.

    Small files are merged where there are more than `most`, merged files from which posts were
    taken are written anew, and what other files hold is deleted.
    Raises OptedOut, StorageUnusable, NetworkTrouble, TransientError.
    """
    if steady(storage, handle, partial(_merge, storage, handle, most)):
        steady(storage, handle, partial(_sweep, storage, handle))


def _merge(storage: Storage, handle: Handle, most: int, dataset: Dataset) -> bool:
    """Merge what is due; says whether there is something to delete now."""
    groups = list(_to_merge(dataset, most))
    for keys in groups:
        generation = 1 + max(map(generation_of, dataset.sizes))
        _write_merged(storage, handle, places_in(storage, dataset, keys), generation)
    return bool(groups or _needless(dataset) or _old_marks(dataset))


def _to_merge(dataset: Dataset, most: int) -> Iterator[list[str]]:
    """Files that are to become one, group by group."""
    needed = sorted(dataset.sizes.keys() - _needless(dataset))
    holed = [key for key in needed if len(dataset.names_in(key)) < len(dataset.merged.get(key, ()))]
    small = [key for key in needed if key not in holed and dataset.sizes[key] < SMALL_BYTES]
    yield from ([key] for key in holed)
    if len(small) > most:
        yield small


def _needless(dataset: Dataset) -> set[str]:
    return {key for key in dataset.sizes if _is_needless(dataset, key)}


def _is_needless(dataset: Dataset, key: str) -> bool:
    """Whether all that a file holds is gone, or is held by one merged file above it."""
    mine = dataset.names_in(key)
    others = (other for other in dataset.merged if rank(other) > rank(key))
    return not mine or any(mine <= dataset.names_in(other) for other in others)


def _write_merged(storage: Storage, handle: Handle, places: list[Place], generation: int) -> None:
    schema = merged_schema(place.piece for place in places)
    with storage.draft_file(FOLDER) as draft:
        with pq.ParquetWriter(
            draft, schema, compression="zstd", write_page_checksum=True
        ) as writer:
            for group in _groups(scan_batches(storage, places, SCHEMA.names)):
                writer.write_table(pa.Table.from_batches(group), row_group_size=GROUP_ROWS)
        install_part(storage, handle, draft, new_merged_name(generation))


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
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


def _sweep(storage: Storage, handle: Handle, dataset: Dataset) -> None:
    for key in sorted(_needless(dataset)):
        storage.delete(key)
    for name in sorted(_old_marks(dataset)):
        storage.delete(mark_key(handle, name))


def _old_marks(dataset: Dataset) -> set[str]:
    old = datetime.now(UTC) - _MARKS_KEPT
    held = {piece.name for pieces in dataset.merged.values() for piece in pieces}
    return {name for name, since in dataset.marks.items() if since and since < old} - held
