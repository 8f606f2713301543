"""The rows of tables that are text, one function for each format, in bounded memory.

Each row comes with its number from 1 (of the line, if the format has lines) and its JSON text.
Ids stay as they are written: nothing here turns digits into floats.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core.errors import UnreadableSource
from tasks.sources.read_errors import as_unreadable

Row = tuple[int, dict[str, Any], str]
MAX_LINE = 1 << 20  # bytes


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their ends, numbered from 1. Raises UnreadableSource."""
    with as_unreadable(str(path)), path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            yield number, _line(path, number, line)
        if number == 0:
            raise UnreadableSource(f"{path}: is empty: give a file with posts")


def _line(path: Path, number: int, line: bytes) -> str:
    if len(line) == MAX_LINE:
        raise UnreadableSource(f"{path}: line {number} is over {MAX_LINE:,} bytes: not a table")
    if b"\0" in line:
        raise UnreadableSource(
            f"{path}: line {number} holds a NUL byte: not text, or not UTF-8: save it as UTF-8"
        )
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableSource(
            f"{path}: line {number} is not UTF-8 ({error.reason}): save the file as UTF-8"
        ) from error


def text_rows(path: Path) -> Iterator[Row]:
    """One post on each line, verbatim; blank lines are skipped. Raises UnreadableSource."""
    for number, line in lines(path):
        text = line.rstrip("\r\n")
        if text.strip():
            yield number, {"text": text}, json.dumps({"text": text})


def csv_rows(path: Path) -> Iterator[Row]:
    """The rows below the header; quoted cells may span lines. Raises UnreadableSource."""
    delimiter = _delimiter(next(lines(path))[1])
    reader = csv.reader((line for _, line in lines(path)), delimiter=delimiter, strict=True)
    try:
        names = next(reader)
        for number, cells in enumerate(reader, 1):
            if len(cells) > len(names):
                raise UnreadableSource(
                    f"{path}: line {reader.line_num} has {len(cells)} cells, the first line "
                    f"{len(names)}: quote texts that hold {delimiter!r}"
                )
            if cells:
                row = dict(zip(names, cells, strict=False))
                yield number, row, json.dumps({name: cell for name, cell in row.items() if cell})
    except csv.Error as error:
        raise UnreadableSource(
            f"{path}: line {reader.line_num} is not CSV ({error}): export the table again"
        ) from error


def header(path: Path) -> list[str]:
    """The names in the first line of a CSV, empty if it is not one. Raises UnreadableSource."""
    first = next(lines(path))[1]
    try:
        return next(csv.reader([first], delimiter=_delimiter(first)), [])
    except csv.Error:
        return []


def _delimiter(first: str) -> str:
    return max(",\t;", key=first.count)


def jsonl_rows(path: Path) -> Iterator[Row]:
    """One JSON object on each line; blank lines are skipped. Raises UnreadableSource."""
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableSource(
                f"{path}: line {number} is not JSON ({error}): give one object on each line"
            ) from error
        if not isinstance(row, dict):
            raise UnreadableSource(
                f"{path}: line {number} is not a JSON object: give one on each line"
            )
        yield number, row, line.strip()
