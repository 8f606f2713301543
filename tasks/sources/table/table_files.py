"""A file with a table of posts, and its rows whatever its format is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks.core.errors import UnreadableSource
from tasks.sources.files.containers import SourceFiles
from tasks.sources.files.content import Format
from tasks.sources.files.encodings import UTF8, WINDOWS_1252, encoding_of, open_utf8
from tasks.sources.files.javascript import list_elements, values
from tasks.sources.table.columns import Columns, find_columns
from tasks.sources.table.parquet_rows import parquet_rows
from tasks.sources.table.text_rows import Row, csv_rows, jsonl_rows, text_rows
from tasks.sources.table.wrappers import is_notice, unwrapped

# Keys under which programs put the posts of a file that is one object.
_LISTS = ("tweets", "posts", "statuses", "items", "results", "data")


@dataclass(frozen=True)
class TableFile:
    """One of a source's files. first_names: of the columns of its first row, where known."""

    files: SourceFiles
    name: str
    format: Format
    first_names: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """How errors name the file."""
        return self.files.label(self.name)

    @cached_property
    def encoding(self) -> str:
        """Of its text: see `encoding_of`."""
        return UTF8 if self.format is Format.PARQUET else encoding_of(self.files, self.name)

    @cached_property
    def _skipped(self) -> Counter[str]:
        """How many objects that are no posts `rows` has skipped so far."""
        return Counter()

    @property
    def skipped_notices(self) -> list[str]:
        """What is to be said of what `rows` has skipped."""
        number = self._skipped["notices"]
        return [f"{self.label}: {number:,} notices of a stream are no posts"] if number else []

    @property
    def notice(self) -> str | None:
        """What the operator should know about how the file is read."""
        if self.encoding != WINDOWS_1252:
            return None
        return f"{self.label}: is not UTF-8, and is read as Windows-1252: look at the sample posts"

    def digest(self) -> str:
        """Of its content, hexadecimal. Raises UnreadableSource."""
        return self.files.digest([self.name])

    def rows(self, columns_of: Callable[[tuple[str, ...]], Columns]) -> Iterator[Row]:
        """The rows, each after its number. Raises UnreadableSource.

        columns_of: finds the columns with a meaning, for formats that read only these.
        """
        self._skipped.clear()
        if self.format is Format.PARQUET:
            yield from self._parquet_rows(columns_of)
            return
        with open_utf8(self.files, self.name, self.encoding) as stream:
            if self.format is Format.TEXT:
                yield from text_rows(stream, self.label)
            elif self.format is Format.CSV:
                yield from csv_rows(stream, self.label)
            elif self.format is Format.JSON_LINES:
                rows = jsonl_rows(stream, self.label)
                listed = ((n, e, text) for n, row, raw in rows for text, e in _listed(raw, row))
                yield from self._unwrapped(listed)
            elif self.format is Format.JSON_LIST:
                yield from self._unwrapped(_numbered(list_elements(stream, self.label)))
            else:
                found = (each for value in values(stream, self.label) for each in _listed(*value))
                yield from self._unwrapped(_numbered(found))

    def _unwrapped(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self._skipped["notices"] += is_notice(row[1])
            yield from unwrapped(row)

    def _parquet_rows(self, columns_of: Callable[[tuple[str, ...]], Columns]) -> Iterator[Row]:
        path = self.files.local(self.name)
        if path is None:
            raise UnreadableSource(f"{self.label}: Parquet is read unpacked only: unpack it")
        return parquet_rows(path, columns_of)


def _numbered(elements: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[Row]:
    for number, (raw, element) in enumerate(elements, 1):
        yield number, element, raw


def _listed(raw: str, value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The posts in an object that holds a list of them, or the object itself."""
    key = next((each for each in _LISTS if _is_list_of_objects(value.get(each))), None)
    if key is None or "includes" in value or _has_text(value):
        yield raw, value
        return
    for element in value[key]:
        yield json.dumps(element), element


def _has_text(value: dict[str, Any]) -> bool:
    columns = find_columns(value, {})
    return columns is not None and isinstance(value[columns.names["text"]], str)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(e, dict) for e in value)
