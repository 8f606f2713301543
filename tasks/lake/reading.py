"""The rows of segments, in whichever files they lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tasks.lake.data_files import open_data_file
from tasks.lake.schema import SCHEMA
from tasks.lake.snapshot import Location
from tasks.storage import Storage

_BATCH_ROWS = 10_000


def read_table(storage: Storage, locations: list[Location], columns: list[str]) -> pa.Table:
    """Some columns of segments, in the order given. Raises FileVanished, StorageUnusable."""
    tables = {
        key: _read_file(storage, key, columns) for key in sorted({at.key for at in locations})
    }
    slices = [tables[key].slice(start, rows) for key, start, rows in _runs(locations)]
    return pa.concat_tables([_empty_table(columns), *slices])


def scan_rows(
    storage: Storage, locations: list[Location], columns: list[str]
) -> Iterator[tuple[list[Any], ...]]:
    """The same as lists, some thousand rows at a time. Raises FileVanished, StorageUnusable."""
    for batch in scan_batches(storage, locations, columns):
        yield tuple(batch.column(name).to_pylist() for name in columns)


def scan_batches(
    storage: Storage, locations: list[Location], columns: list[str]
) -> Iterator[pa.RecordBatch]:
    """The same as Arrow's batches."""
    for key, start, rows in _runs(locations):
        position = 0
        with open_data_file(storage, key) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                first, end = max(start - position, 0), min(start + rows - position, batch.num_rows)
                if first < end:
                    yield batch.select(columns).slice(first, end - first)
                position += batch.num_rows


def _read_file(storage: Storage, key: str, columns: list[str]) -> pa.Table:
    with open_data_file(storage, key) as file:
        return file.read(columns=columns).select(columns).replace_schema_metadata(None)


def _runs(locations: list[Location]) -> Iterator[tuple[str, int, int]]:
    """File, first row and number of rows; segments that follow each other in a file are one run."""
    run: tuple[str, int, int] | None = None
    for at in locations:
        key, start, rows = run or (at.key, at.start, 0)
        if (at.key, at.start) != (key, start + rows):
            yield key, start, rows
            key, start, rows = at.key, at.start, 0
        run = (key, start, rows + at.segment.rows)
    if run is not None:
        yield run


def _empty_table(columns: list[str]) -> pa.Table:
    return pa.schema([SCHEMA.field(name) for name in columns]).empty_table()
