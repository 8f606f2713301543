"""The rows of a Parquet file, in memory and time that its size bounds.

A kilobyte of Parquet can stand for gigabytes of rows. Therefore only the columns that are needed
are read, their pages are checked before they are decompressed (see `parquet_pages`), repeated
strings are decoded once, and a file may not expand to more than `MAX_RATIO` times its size.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.errors import UnreadableSource
from tasks.sources.post_fields import COLUMNS
from tasks.sources.read_errors import as_unreadable
from tasks.sources.table.columns import Columns
from tasks.sources.table.parquet_pages import page_sizes
from tasks.sources.table.text_rows import MAX_LINE, Row

MAX_RATIO = 200  # posts are compressed 5 to 20 times
RATIO_MATTERS_FROM = 32 << 20  # bytes
_BATCH_ROWS = 1_000
_BYTES_OF_A_ROW = 200  # beside its cells: a row of nulls takes no space in the file
_MAX_WIDTH = 512  # bits of a value of fixed width


def parquet_rows(path: Path, columns_of: Callable[[tuple[str, ...]], Columns]) -> Iterator[Row]:
    """The rows with those columns that have a meaning. Raises UnreadableSource.

    columns_of: finds these among the names of all columns.
    """
    with as_unreadable(str(path)), pq.ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        meanings = columns_of(tuple(names)).names
        columns = [name for name in names if name in meanings.values() or name in COLUMNS]
        leaves = _leaves(file, columns)
        budget = _Budget(path)
        for name in columns:
            _check_type(path, file.schema_arrow.field(name), is_text=name == meanings["text"])
        for size in page_sizes(path, file.metadata, leaves):
            budget.spend(size)
        yield from _rows(path, file.metadata, columns, leaves, budget)


class _Budget:
    """What a file may expand to, in bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._limit = max(RATIO_MATTERS_FROM, MAX_RATIO * path.stat().st_size)
        self._spent = 0

    def spend(self, size: int) -> None:
        """Raises UnreadableSource when the budget is used up."""
        self._spent += size
        if self._spent > self._limit:
            raise UnreadableSource(
                f"{self._path}: expands to over {self._limit:,} bytes, which no posts of a file "
                "of its size do: export the table again"
            )


def _leaves(file: pq.ParquetFile, columns: list[str]) -> dict[int, str]:
    """The numbers and paths of the physical columns that make up some columns."""
    paths = {number: file.schema.column(number).path for number in range(len(file.schema))}
    return {
        number: path
        for number, path in paths.items()
        if any(path == name or path.startswith(f"{name}.") for name in columns)
    }


def _check_type(path: Path, column: pa.Field[Any], *, is_text: bool) -> None:
    """Refuse what cannot be text, and values of fixed width that are large and may repeat."""
    kind: Any = column.type
    is_wide = pa.types.is_fixed_size_binary(kind) and kind.bit_width > _MAX_WIDTH
    if is_wide or (is_text and pa.types.is_nested(kind)):
        raise UnreadableSource(
            f"{path}: the column {column.name[:40]!r} holds {str(kind)[:40]}, not text: "
            "export the table again"
        )


def _rows(
    path: Path,
    metadata: pq.FileMetaData,
    columns: list[str],
    leaves: dict[int, str],
    budget: _Budget,
) -> Iterator[Row]:
    number = 0
    # As dictionaries, strings that repeat are in memory once.
    with pq.ParquetFile(
        path, metadata=metadata, read_dictionary=list(leaves.values()), pre_buffer=False
    ) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
            cells = [_cells(path, batch.column(name), name) for name in columns]
            for values in zip(*cells, strict=True):
                number += 1
                row = dict(zip(columns, values, strict=True))
                raw = json.dumps(_present(row), default=str)
                budget.spend(_BYTES_OF_A_ROW + len(raw))
                yield number, row, raw


def _cells(path: Path, column: Any, name: str) -> list[Any]:
    """The values of an Arrow column; of nested values only whether there is one."""
    if pa.types.is_nested(column.type):
        return [True if valid else None for valid in column.is_valid().to_pylist()]
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python's instants have microseconds; what is finer is cut off.
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    if not pa.types.is_dictionary(column.type):
        values: list[Any] = column.to_pylist()
        return values
    used = column.indices.unique().drop_null()
    lengths: Any = pc.binary_length(column.dictionary)
    longest = pc.max(lengths).as_py() or 0
    if longest > MAX_LINE:
        raise UnreadableSource(
            f"{path}: a cell of the column {name[:40]!r} has {longest:,} bytes, more than any "
            f"post: at most {MAX_LINE:,} are read"
        )
    decoded = dict(zip(used.to_pylist(), column.dictionary.take(used).to_pylist(), strict=True))
    return [decoded.get(index) for index in column.indices.to_pylist()]


def _present(row: dict[str, Any]) -> dict[str, Any]:
    """Without nulls and NaN, which JSON does not have."""
    return {name: cell for name, cell in row.items() if cell is not None and not _is_nan(cell)}


def _is_nan(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)
