"""What the pages of a Parquet file claim, read from their headers before Arrow believes them.

Arrow allocates and fills whatever a page header claims, up to 2 GB for each page, and some
encodings of strings expand further after decompression. The format of a header is `PageHeader` of
parquet.thrift, in Thrift's compact protocol.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.core.errors import UnreadableSource

# PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED and RLE_DICTIONARY: only with these does the size of a
# page bound that of the strings in it.
_STRING_ENCODINGS = frozenset((0, 2, 3, 4, 8))
_WORK = 1_000  # bytes that reading a header counts as: headers may claim nothing, many times over
# Arrow reads on by so much after a column chunk of an old writer.
_PADDING = 100

# Numbers of the fields of a header, and of the structs in it: the number of values, the encoding.
_UNCOMPRESSED, _COMPRESSED = 2, 3
_PAGE_STRUCTS = {5: (1, 2), 7: (None, 2), 8: (1, 4)}


def page_sizes(path: Path, metadata: pq.FileMetaData, leaves: Iterable[int]) -> Iterator[int]:
    """The bytes that each page of some physical columns will take, page by page.

    Raises UnreadableSource for strings in an encoding whose size the page does not bound, and
    ValueError or LookupError for what is not a page.
    """
    columns = list(leaves)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for group in range(metadata.num_row_groups):
            for number in columns:
                chunk = metadata.row_group(group).column(number)
                for page in _pages(data, chunk):
                    _check_encoding(path, chunk, page)
                    yield page.uncompressed + page.header + _WORK


@dataclass(frozen=True)
class _Page:
    """A page's header: sizes in bytes, and the number of values."""

    header: int
    compressed: int
    uncompressed: int
    values: int
    encoding: int | None


def _pages(data: mmap.mmap, chunk: pq.ColumnChunkMetaData) -> Iterator[_Page]:
    """The pages that Arrow would read of a column chunk."""
    at = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        at = min(at, chunk.dictionary_page_offset)
    end = at + chunk.total_compressed_size
    values = 0
    if at < 0:
        raise ValueError("pages before the start of the file")
    while values < chunk.num_values and at < end + _PADDING:
        try:
            page = _page_at(data, at)
        except (ValueError, LookupError):
            if at >= end:
                return
            raise
        yield page
        values += page.values
        at += page.header + page.compressed


def _page_at(data: mmap.mmap, at: int) -> _Page:
    fields, end = _struct(data, at, depth=0)
    uncompressed, compressed = _whole(fields[_UNCOMPRESSED]), _whole(fields[_COMPRESSED])
    if uncompressed < 0 or compressed < 0:
        raise ValueError("a page of negative size")
    values, encoding = 0, None
    for number, (values_field, encoding_field) in _PAGE_STRUCTS.items():
        if number in fields:
            if not isinstance(about := fields[number], dict):
                raise ValueError("a page header with a field of another type")
            values += _whole(about.get(values_field, 0))
            found = about.get(encoding_field)
            encoding = None if found is None else _whole(found)
    return _Page(end - at, compressed, uncompressed, values, encoding)


def _whole(value: object) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("a page header with a field of another type")


def _check_encoding(path: Path, chunk: pq.ColumnChunkMetaData, page: _Page) -> None:
    if chunk.physical_type == "BYTE_ARRAY" and page.encoding not in _STRING_ENCODINGS:
        raise UnreadableSource(
            f"{path}: the column {chunk.path_in_schema[:40]!r} has an encoding that is not read "
            "here: save it with plain or dictionary encoding"
        )


_MAX_DEPTH = 8
_BYTE, _SHORT, _LONG, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 3, 4, 6, 7, 8, 9, 10, 11, 12


def _struct(data: mmap.mmap, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct by number, and where it ends; values of no use here are None."""
    if depth > _MAX_DEPTH:
        raise ValueError("a page header that is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _integer(data, at)
        fields[number], at = _value(data, at, head & 0xF, depth)
    return fields, at + 1


def _value(data: mmap.mmap, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind < _BYTE:  # true or false, which the kind says
        return None, at
    if kind == _BYTE:
        return None, at + 1
    if _SHORT <= kind <= _LONG:
        return _integer(data, at)
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        length, at = _varint(data, at)
        return None, at + length
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    raise ValueError("a page header with a list or a map, which none has")


def _integer(data: mmap.mmap, at: int) -> tuple[int, int]:
    number, at = _varint(data, at)
    return number >> 1 ^ -(number & 1), at


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number without an end")
