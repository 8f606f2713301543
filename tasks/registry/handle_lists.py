"""Lists of accounts, as a backfill takes them: given one by one, or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import BadInput, InvalidHandle
from tasks.core.names import Handle


@dataclass(frozen=True)
class Listed:
    """The accounts of a list, each once, in its order; wrong: a row for each line that is none."""

    names: tuple[str, ...]
    wrong: list[dict[str, Any]]


def read_list(given: Sequence[str], file: Path | None) -> Listed:
    """The accounts that are given, and those of a file. Raises BadInput for one like no text."""
    lines = [(number + 1, text) for number, text in enumerate([*given])]
    lines += [] if file is None else _lines(file)
    names: dict[str, None] = {}
    wrong: list[dict[str, Any]] = []
    for number, text in lines:
        try:
            names[Handle.parse(text).name] = None
        except InvalidHandle as error:
            wrong.append({"line": number, "text": text[:80], "why": str(error)})
    return Listed(tuple(names), wrong)


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"{file}: no list can be read from it ({reason}): check the path") from error
    lines = enumerate((line.partition("#")[0].strip() for line in text.splitlines()), start=1)
    return [(number, line) for number, line in lines if line]
