"""The rows of tables that are text, one function for each format, in bounded memory.

Each row comes with its number from 1 (of the line, if the format has lines) and its JSON text.
Ids stay as they are written: nothing here turns digits into floats.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

from tasks.core.errors import UnreadableSource

Row = tuple[int, dict[str, Any], str]
MAX_LINE = 1 << 20  # bytes
_DELIMITERS = ",\t;|"
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+")
_SEPARATOR = re.compile(r"sep=(.)\r?\n?")  # what Excel understands as a first line


def lines(stream: BinaryIO, label: str) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8 with their ends, numbered from 1. Raises UnreadableSource."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        yield number, _line(label, number, line)
    if number == 0:
        raise UnreadableSource(f"{label}: is empty: give a file with posts")


def _line(label: str, number: int, line: bytes) -> str:
    if len(line) == MAX_LINE:
        raise UnreadableSource(f"{label}: line {number} is over {MAX_LINE:,} bytes: not a table")
    if b"\0" in line:
        raise UnreadableSource(
            f"{label}: line {number} holds a NUL byte: not text, or not UTF-8: save it as UTF-8"
        )
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableSource(
            f"{label}: line {number} is not UTF-8 ({error.reason}): save the file as UTF-8"
        ) from error


def text_rows(stream: BinaryIO, label: str) -> Iterator[Row]:
    """One post on each line, verbatim; blank lines are skipped. Raises UnreadableSource."""
    for number, line in lines(stream, label):
        text = line.rstrip("\r\n")
        if text.strip():
            yield number, {"text": text}, json.dumps({"text": text})


def csv_rows(stream: BinaryIO, label: str) -> Iterator[Row]:
    """The rows below the header; quoted cells may span lines. Raises UnreadableSource."""
    numbered = lines(stream, label)
    header = next((each for each in numbered if each[1].strip()), (1, ""))
    if marked := _SEPARATOR.fullmatch(header[1]):
        header = next(numbered, (2, ""))
    before, first = header[0] - 1, header[1]
    delimiter = marked[1] if marked else _delimiter(first)
    reader = csv.reader(
        chain([first], (line for _, line in numbered)), delimiter=delimiter, strict=True
    )
    try:
        names = _distinct(next(reader, []))
        for number, cells in enumerate(reader, 1):
            if len(cells) > len(names):
                raise UnreadableSource(
                    f"{label}: line {reader.line_num + before} has {len(cells)} cells, the first "
                    f"line {len(names)}: quote texts that hold {delimiter!r}"
                )
            if cells:
                row = dict(zip(names, cells, strict=False))
                yield number, row, json.dumps({name: cell for name, cell in row.items() if cell})
    except csv.Error as error:
        if "\r" in first.rstrip("\r\n"):
            raise UnreadableSource(
                f"{label}: its lines end as on old Macs: save it with the line ends of today"
            ) from error
        raise UnreadableSource(
            f"{label}: line {reader.line_num + before} is not CSV ({error}): export the table again"
        ) from error


def _distinct(names: list[str]) -> list[str]:
    """The names of columns; of equal ones the second becomes `name (2)`, so that none is lost."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def header_of(head: str) -> list[str]:
    """The names in the first line of the start of a CSV, empty if it is not one."""
    first, _, rest = _BLANK_LINES.sub("", head).partition("\n")
    if marked := _SEPARATOR.fullmatch(first.rstrip("\r")):
        first, delimiter = rest.partition("\n")[0], marked[1]
    else:
        delimiter = _delimiter(first)
    try:
        return _distinct(next(csv.reader(io.StringIO(first), delimiter=delimiter), []))
    except csv.Error:
        return []


def _delimiter(first: str) -> str:
    return max(_DELIMITERS, key=first.count)


def jsonl_rows(stream: BinaryIO, label: str) -> Iterator[Row]:
    """One JSON object on each line; blank lines are skipped. Raises UnreadableSource."""
    for number, line in lines(stream, label):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = "nested too deeply"
            if isinstance(error, json.JSONDecodeError):
                what = f"{error.msg}, at character {error.pos}"
            raise UnreadableSource(
                f"{label}: line {number} is not JSON ({what}): give one object on each line"
            ) from error
        if not isinstance(row, dict):
            raise UnreadableSource(
                f"{label}: line {number} is not a JSON object: give one on each line"
            )
        yield number, row, line.strip()
