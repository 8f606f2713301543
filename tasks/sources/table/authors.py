"""Whose posts the rows of a table are, where a column says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tasks.core.errors import InvalidHandle, UnreadableSource
from tasks.core.names import Handle
from tasks.sources.post_fields import author_of, is_set

_SHOWN = 8  # names in a message
_REMEMBERED = 1_000  # authors whose rows are counted by name


class Authors:
    """Tells an account's rows from those of others in one source.

    A row without an author is taken for the account's; so are rows whose author is no handle, such
    as a name with blanks, if there is one such name and no other author.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._known: dict[str, Handle | None] = {}
        self._others: Counter[str] = Counter()
        self._people: Counter[str] = Counter()  # names that are no handles
        self._mine = 0

    def is_mine(self, row: Mapping[str, Any], column: str | None) -> bool:
        """Whether a row is the account's; column: with the authors' names, if there is one."""
        name = _name(row, column)
        if name is None:
            return True
        author = self._author(name)
        if author == self._handle:
            self._mine += 1
            return True
        _count(self._people if author is None else self._others, name)
        return author is None

    def _author(self, name: str) -> Handle | None:
        if name in self._known:
            return self._known[name]
        try:
            author = Handle.parse(name)
        except InvalidHandle:
            author = None
        if len(self._known) < _REMEMBERED:
            self._known[name] = author
        return author

    def judged(self, label: str) -> list[str]:
        """What is to be said of the authors.

        Raises UnreadableSource where the account's rows cannot be told from those of others.
        """
        found = self._others + self._people
        is_one_person = not self._others and len(self._people) <= 1
        if not self._people if self._mine else is_one_person:
            left_out = self._others.total()
            return [f"{label}: left out posts by others: {left_out:,}"] if left_out else []
        shown = ", ".join(
            f"{''.join(c if c.isprintable() else '?' for c in name[:40])} ({number:,})"
            for name, number in found.most_common(_SHOWN)
        )
        more = ", …" if len(found) > _SHOWN else ""
        raise UnreadableSource(
            f"{label}: its posts are not by @{self._handle} alone, but by {shown}{more}: give the "
            "--handle of one of these, or, if the column does not name authors, --column author="
        )


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < _REMEMBERED else "…"] += 1


def _name(row: Mapping[str, Any], column: str | None) -> str | None:
    """The author's name in a row, None where there is none, or only a number."""
    value = author_of(row) if column is None else row.get(column)
    if isinstance(value, Mapping):
        value = author_of({"author": value})
    name = value.strip() if isinstance(value, str) else ""
    return name if is_set(name) and not name.isdigit() else None
