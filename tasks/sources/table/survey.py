"""A first look at all rows of a table: what its cells are, before the first post is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.core.errors import UnreadableSource
from tasks.sources.dates import day_first_of, is_relative, parse_date
from tasks.sources.findings import Findings, Tally
from tasks.sources.post_fields import is_set, language_of, long_text, named_kind, plain_name
from tasks.sources.table.columns import Columns, exact_id
from tasks.sources.table.escapes import EscapeSurvey, Layer

_SHOWN = 40  # letters of a cell in a message
_MOST_DAYS = 1_000  # ambiguous dates that are compared
_FLAGS = frozenset(("0", "1", "0.0", "1.0"))
_MARKS = frozenset(("true", "t", "yes", "y"))
# What programs call the numbers of likes and answers. A column `retweet` beside them is a number.
_COUNTS = frozenset(("like", "likes", "favorite", "favorites", "reply", "replies", "comments"))
_DATE, _ID, _LANGUAGE, _FLAG, _KIND = "created_at", "id", "lang", "retweet_flag", "kind"
_MOST_IDS = 100_000  # that are compared
_REMEDY = "name another column with --column {0}=NAME, or leave it out with --column {0}="
_ROUNDED = (
    "a spreadsheet rounds ids to 9.06e+17: export the table again with its ids as text, name "
    "another column with --column {0}=NAME, or leave it out with --column {0}="
)
_REPEATED = (
    "the column does not name posts, but perhaps accounts: name another with --column id=NAME, or "
    "leave it out with --column id="
)
_RELATIVE_REMEDY = (
    "such a date counts back from a day that the file does not name: export the table with full "
    "dates, or leave them out with --column date="
)


@dataclass(frozen=True)
class Understanding:
    """How the cells of a table are read.

    day_first: see `parse_date`. layers: of escape, to be undone. unused: meanings of columns that
    are only called as if they marked retweets, or named kinds of posts.
    """

    day_first: bool | None
    layers: tuple[Layer, ...]
    unused: tuple[str, ...]

    def mended(self, row: dict[str, Any], columns: Columns) -> dict[str, Any]:
        """A row with its text without escapes, its date as an instant, no column that is unused."""
        changed: dict[str, Any] = {}
        text = row.get(columns.names["text"])
        if self.layers and isinstance(text, str):
            for layer in self.layers:
                text = layer.undo(text)
            changed[columns.names["text"]] = text
        if (name := columns.names.get(_DATE)) and not isinstance(row.get(name), datetime):
            changed[name] = parse_date(row.get(name), day_first=self.day_first)
        mended = {**row, **changed} if changed else row
        if not self.unused:
            return mended
        unused = {columns.names.get(meaning) for meaning in self.unused}
        return {key: cell for key, cell in mended.items() if key not in unused}


class _Cells:
    """Cells of one meaning: how many hold something, how many of these are understood."""

    def __init__(self, what: str, remedy: str, read: Callable[[Any], object]) -> None:
        self.tally = Tally()
        self._what = what
        self._remedy = remedy
        self._read = read
        self._name = ""
        self._strange = ""

    def look(self, name: str, cell: object) -> None:
        """Count a cell of a column."""
        if not is_set(cell):
            return
        self._name = name
        self.tally.given += 1
        if self._read(cell) is not None:
            self.tally.understood += 1
        else:
            self._strange = self._strange or str(cell)[:_SHOWN]

    def judged(self, label: str) -> list[str]:
        """What is to be said of the cells. Raises UnreadableSource if most are not understood."""
        given, understood = self.tally.given, self.tally.understood
        if given == understood:
            return []
        found = (
            f"{label}: {given - understood:,} of {given:,} {self._what} in the column "
            f"{self._name[:_SHOWN]!r} are not understood, such as {self._strange!r}"
        )
        if given > 2 * understood:
            remedy = _RELATIVE_REMEDY if is_relative(self._strange) else self._remedy
            raise UnreadableSource(f"{found}: {remedy}")
        return [found]


class _Dates(_Cells):
    """Dates, of which `1/2/2020` is understood once it is known whether the day comes first."""

    def __init__(self, *, day_first: bool | None) -> None:
        super().__init__("dates", _REMEDY.format("date"), self._date)
        self.day_first = day_first
        self._orders: set[bool] = set()
        self._ambiguous = 0
        self._days: set[tuple[datetime, datetime]] = set()
        self._example = ""

    def _date(self, cell: object) -> datetime | None:
        found = parse_date(cell, day_first=self.day_first)
        if found is not None:
            if isinstance(cell, str) and (order := day_first_of(cell)) is not None:
                self._orders.add(order)
        elif found := parse_date(cell, day_first=False):
            self._ambiguous += 1
            self._example = str(cell)[:_SHOWN]
            if len(self._days) < _MOST_DAYS:
                other = parse_date(cell, day_first=True)
                self._days.add((found, other or found))
        return found

    def judged(self, label: str) -> list[str]:
        if self.day_first is None and len(self._orders) == 1:
            (self.day_first,) = self._orders
        if not self._ambiguous or self.day_first is not None:
            return super().judged(label)
        found = (
            f"{label}: {self._ambiguous:,} dates in the column {self._name[:_SHOWN]!r} can be read "
            f"in two ways, such as {self._example!r}"
        )
        if not self._is_order_certain():
            raise UnreadableSource(f"{found}: say --day-first or --month-first")
        self.day_first = False
        notice = f"{found}; the month is taken to be first, --day-first says otherwise"
        return [notice, *super().judged(label)]

    def _is_order_certain(self) -> bool:
        """Whether the ambiguous dates come in the same order, whichever way they are read."""
        others = [other for _, other in sorted(self._days)]
        return not self._orders and len(others) < _MOST_DAYS and others == sorted(others)


class _Ids(_Cells):
    """Ids, of which each names one post."""

    def __init__(self) -> None:
        super().__init__("ids", _ROUNDED.format("id"), exact_id)
        self._texts: dict[str, int] = {}
        self._compared = self._repeated = 0

    def compare(self, cell: object, text: str) -> None:
        """Look whether an id has stood beside another text."""
        if (post_id := exact_id(cell)) is None or len(self._texts) >= _MOST_IDS:
            return
        self._compared += 1
        content = hash(text)
        self._repeated += self._texts.setdefault(post_id, content) != content

    def judged(self, label: str) -> list[str]:
        if not self._repeated:
            return super().judged(label)
        found = (
            f"{label}: {self._repeated:,} of {self._compared:,} ids in the column "
            f"{self._name[:_SHOWN]!r} are those of another text"
        )
        if 2 * self._repeated > self._compared:
            raise UnreadableSource(f"{found}: {_REPEATED}")
        return [f"{found}: of each id one text counts", *super().judged(label)]


class _Texts:
    """How many rows have a text."""

    def __init__(self) -> None:
        self._rows = self._empty = 0
        self._name = ""

    def look(self, row: Mapping[str, Any], name: str, text: object) -> None:
        """Count a row; name: of the column."""
        self._rows += 1
        self._name = self._name or name
        is_blank = text is None or (isinstance(text, str) and not text.strip())
        self._empty += is_blank and not long_text(row)

    def judged(self, label: str) -> list[str]:
        """What is to be said of rows without a text. Raises UnreadableSource if none has one."""
        if not self._empty:
            return []
        column = f"the column {self._name[:_SHOWN]!r}"
        if self._empty == self._rows:
            raise UnreadableSource(
                f"{label}: {column} is empty: name the one with the posts with --column text=NAME"
            )
        return [f"{label}: {column} is empty in {self._empty:,} of {self._rows:,} rows"]


class Survey:
    """Looks at the rows of a table, one by one.

    label: of the table, for messages; day_first: as the operator says.
    names: of the columns that were seen, by their meaning.
    """

    def __init__(self, label: str, *, day_first: bool | None) -> None:
        self._label = label
        self.names: dict[str, str] = {}
        self._escapes = EscapeSurvey()
        self._flag = _Flag()
        self._dates = _Dates(day_first=day_first)
        self._ids, self._texts, self._kinds = _Ids(), _Texts(), Tally()
        self._twice: dict[str, None] = {}
        self._cells = {
            _DATE: self._dates,
            _ID: self._ids,
            _LANGUAGE: _Cells("languages", _REMEDY.format("lang"), language_of),
            _FLAG: _Cells("marks of retweets", _REMEDY.format("retweet"), _mark),
        }

    def look(self, row: Mapping[str, Any], columns: Columns) -> None:
        """Count a row."""
        for meaning, name in columns.names.items():
            if name in row:
                self.names.setdefault(meaning, name)
                if f"{name} (2)" in row:
                    self._twice[name] = None
        text = row.get(columns.names["text"])
        self._texts.look(row, columns.names["text"], text)
        if isinstance(text, str):
            self._escapes.look(text)
            if column := columns.names.get(_ID):
                self._ids.compare(row.get(column), text)
        if (column := columns.names.get(_KIND)) and is_set(cell := row.get(column)):
            self._kinds.add(Tally(1, named_kind(cell) is not None))
        for meaning, cells in self._cells.items():
            if column := columns.names.get(meaning):
                cells.look(column, row.get(column))
        if flag := columns.names.get(_FLAG):
            self._flag.look(row, flag)

    def result(self, findings: Findings) -> Understanding:
        """How the table is to be read; what was found is added to the source's findings.

        Raises UnreadableSource for a column that is mostly not understood.
        """
        names = dict(self.names)
        notices = self._texts.judged(self._label)
        for cells in self._cells.values():
            notices += cells.judged(self._label)
        notices += [
            f"{self._label}: has two columns {name[:_SHOWN]!r}, of which the first is used; the "
            f"other one is called {name[:_SHOWN] + ' (2)'!r}"
            for name in self._twice
        ]
        has_kinds = self._kinds.given == self._kinds.understood
        if not has_kinds:
            kinds = names.pop(_KIND)[:_SHOWN]
            notices.append(f"{self._label}: the column {kinds!r} names no kinds of posts; not used")
        if not self._flag.is_flag:
            counts = names.pop(_FLAG)[:_SHOWN]
            notices.append(f"{self._label}: the column {counts!r} counts, and marks nothing")
        layers, of_layers = self._escapes.result(self._label)
        findings.columns = {**names, **findings.columns}
        findings.dates.add(self._dates.tally)
        findings.ids.add(self._cells[_ID].tally)
        findings.languages.add(self._cells[_LANGUAGE].tally)
        findings.notices += [*notices, *of_layers]
        unused = tuple(
            meaning
            for meaning, is_used in ((_FLAG, self._flag.is_flag), (_KIND, has_kinds))
            if not is_used
        )
        return Understanding(self._dates.day_first, layers, unused)


def _mark(value: object) -> object:
    """A cell that says yes, or a number; None for anything else that is set."""
    if isinstance(value, (bool, int, float, dict, list)):
        return value
    cell = str(value).strip().lower()
    return cell if cell in _MARKS or cell.replace(".", "", 1).isdecimal() else None


class _Flag:
    """A column that marks retweets, or that counts them."""

    def __init__(self) -> None:
        self._is_count = False
        self._beside_counts: bool | None = None

    def look(self, row: Mapping[str, Any], name: str) -> None:
        """Look at a cell, and once at the names beside it."""
        if self._beside_counts is None:
            plain = {plain_name(each) for each in row}
            self._beside_counts = plain_name(name) == "retweet" and bool(plain & _COUNTS)
        if isinstance(row.get(name), bool):
            self._beside_counts = False
            return
        cell = str(row.get(name) or "").strip().lower()
        if not cell:
            return
        is_number = cell.replace(".", "", 1).isdecimal()
        self._is_count |= is_number and cell not in _FLAGS
        self._beside_counts = self._beside_counts and is_number

    @property
    def is_flag(self) -> bool:
        """Whether a value marks a retweet."""
        return not (self._is_count or self._beside_counts)
