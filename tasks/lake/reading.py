"""The rows of pieces, in whichever files they lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tasks.lake.data_files import opened
from tasks.lake.schema import SCHEMA
from tasks.lake.snapshot import Place
from tasks.storage import Storage

_SCANNED_ROWS = 10_000


def read_places(storage: Storage, places: list[Place], columns: list[str]) -> pa.Table:
    """Some columns of pieces, place by place. Raises PartVanished, StorageUnusable."""
    tables = {key: _read(storage, key, columns) for key in sorted({place.key for place in places})}
    slices = [tables[key].slice(start, rows) for key, start, rows in _runs(places)]
    return pa.concat_tables([_empty(columns), *slices])


def scan_places(
    storage: Storage, places: list[Place], columns: list[str]
) -> Iterator[tuple[list[Any], ...]]:
    """The same as lists, some thousand rows at a time. Raises PartVanished, StorageUnusable."""
    for batch in scan_batches(storage, places, columns):
        yield tuple(batch.column(name).to_pylist() for name in columns)


def scan_batches(
    storage: Storage, places: list[Place], columns: list[str]
) -> Iterator[pa.RecordBatch]:
    """The same as Arrow's batches."""
    for key, start, rows in _runs(places):
        position = 0
        with opened(storage, key) as file:
            for batch in file.iter_batches(batch_size=_SCANNED_ROWS, columns=columns):
                first, end = max(start - position, 0), min(start + rows - position, batch.num_rows)
                if first < end:
                    yield batch.select(columns).slice(first, end - first)
                position += batch.num_rows


def _read(storage: Storage, key: str, columns: list[str]) -> pa.Table:
    with opened(storage, key) as file:
        return file.read(columns=columns).select(columns).replace_schema_metadata(None)


def _runs(places: list[Place]) -> Iterator[tuple[str, int, int]]:
    """File, first row and number of rows of the places; what lies side by side is one run."""
    run: tuple[str, int, int] | None = None
    for place in places:
        key, start, rows = run or (place.key, place.start, 0)
        if (place.key, place.start) != (key, start + rows):
            yield key, start, rows
            key, start, rows = place.key, place.start, 0
        run = (key, start, rows + place.piece.rows)
    if run is not None:
        yield run


def _empty(columns: list[str]) -> pa.Table:
    return pa.schema([SCHEMA.field(name) for name in columns]).empty_table()
