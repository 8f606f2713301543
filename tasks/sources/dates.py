"""Dates as tables, archives and scrapers write them.

Only what says which day it means is a date: a form that leaves out the year, or counts back from
the moment of the download ("2 days ago"), is none. `1/2/2020` is two dates, see `parse_date`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from tasks.sources.zones import offset_of

_LONGEST = 80  # characters of a date, the name of its zone included
_TWITTER = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) \+0000 (\d{4})", re.ASCII
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_NUMBER = re.compile(r"\d{5,14}(\.\d*)?", re.ASCII)
_DOT_NET = re.compile(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/", re.ASCII)
_ZONE = re.compile(r" (?:UTC|GMT|Z)$| (?=[+-]\d\d:?\d\d$)", re.ASCII)
_MILLISECONDS_FROM = 1e11  # as seconds this would be the year 5138
_EPOCH_SECONDS = (1e9, 4.2e9)  # 2001 to 2103
# A spreadsheet counts days since 1899-12-30: from 2006, when X began, to 2100.
_SERIALS, _SERIAL_EPOCH = (38_700.0, 73_050.0), datetime(1899, 12, 30, tzinfo=UTC)
_SNOWFLAKES_FROM, _SNOWFLAKE_EPOCH = 1 << 34, 1_288_834_974_657
_SNOWFLAKES_TO = 1 << 62  # of the year 2045

_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_ZONE_NAME = (
    r"(?:\s*(?P<zone>Z|(?:GMT|UTC)?[+-]\d\d:?\d\d(?: \([A-Za-z ]{1,40}\))?"
    r"|[A-Za-z][A-Za-z. ]{1,40}))?"
)
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}\.?,?\s+)?"
_BETWEEN = r"(?:,|\s+at|\s+[·•|-])?\s+"
_THEN_TIME = rf"(?:{_BETWEEN}{_TIME}{_ZONE_NAME})?"
_YEAR, _DAY = r"(?P<year>\d{4})", r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
# In words: the spaces in them are never next to another unbounded part, so that a match is linear.
_WORDED = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        # Wed, 10 Oct 2018 20:19:24 +0000 · 10 October 2018
        rf"{_WEEKDAY}{_DAY}[\s-]+{_MONTH}[\s,-]+{_YEAR}{_THEN_TIME}",
        # Mar 1, 2019 · 5:03 PM UTC · October 10, 2018 at 08:19PM · Fri, Jun 5, 2026
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY},?\s+{_YEAR}{_THEN_TIME}",
        # Mon Apr 06 22:19:45 PDT 2009
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY},?\s+{_TIME}(?:\s+(?P<zone>[A-Za-z]{{1,5}}|[+-]\d{{4}}))?\s+{_YEAR}",
        # 8:19 PM · Oct 10, 2018
        rf"{_TIME}{_BETWEEN}{_MONTH}\s+{_DAY},?\s+{_YEAR}",
        # 8:19 PM - 10 Oct 2018
        rf"{_TIME}{_BETWEEN}{_DAY}\s+{_MONTH}\s+{_YEAR}",
    )
)
# 2019-03-01 12:00:00 Eastern Standard Time · 2019/3/1 12:00
_YEAR_FIRST = re.compile(
    rf"{_YEAR}[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})(?:[T,]?\s*{_TIME}{_ZONE_NAME})?",
    re.ASCII,
)
_YEAR_LAST = re.compile(
    r"(?P<first>\d{1,2})(?P<sign>[-/.])(?P<other>\d{1,2})(?P=sign)(?P<year>\d{4}|\d{2})"
    rf"(?:,?\s+{_TIME}{_ZONE_NAME})?",
    re.ASCII,
)


_RELATIVE = re.compile(
    r"(?:an?|\d{1,4})\s?(?:s|m|h|d|w|mo|y|sec|min|second|minute|hour|hr|day|week|month|year)s?\.?"
    r"(?: ago)?|yesterday.{0,20}|today.{0,20}|now|just now",
    re.ASCII,
)


def parse_date(value: object, *, day_first: bool | None = None) -> datetime | None:
    """The instant in a cell, in UTC; None if the cell is empty or not a date.

    Known: ISO 8601, RFC 2822, what X, its web pages, Nitter, IFTTT and scrapers write, seconds or
    milliseconds since 1970, the serial days of spreadsheets. A date without a zone is taken as UTC.

    day_first: whether `1/2/2020` is the first of February. If it is not known (None), such a date
    is none, unless only one reading is possible. With dots the day is always first.
    """
    try:
        return _parsed(value, day_first=day_first)
    except (ValueError, OverflowError, OSError):
        return None


def day_first_of(value: object) -> bool | None:
    """Whether a cell can only be read with the day first, or only with the month first.

    None if it can be read in both ways, or is not such a date.
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    found = _YEAR_LAST.fullmatch(value.strip())
    if found is None or found["sign"] == ".":
        return None
    first, other = int(found["first"]), int(found["other"])
    return first > 12 if (first > 12) != (other > 12) else None


def is_relative(text: str) -> bool:
    """Whether a text names a time by its distance from now, such as `2 days ago` or `3h`."""
    return _RELATIVE.fullmatch(text.strip().lower()) is not None


def snowflake_date(post_id: str) -> datetime | None:
    """When X gave a post its id, None for ids from before November 2010 and for no ids."""
    if not (len(post_id) <= 19 and post_id.isascii() and post_id.isdigit()):
        return None
    number = int(post_id)
    if not _SNOWFLAKES_FROM <= number < _SNOWFLAKES_TO:
        return None
    return datetime.fromtimestamp(((number >> 22) + _SNOWFLAKE_EPOCH) / 1000, UTC)


def _parsed(value: object, *, day_first: bool | None) -> datetime | None:
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, (int, float)):
        return _from_number(float(value))
    if isinstance(value, dict):
        return _parsed(_exported(value), day_first=day_first)
    if isinstance(value, str) and len(value) <= _LONGEST:
        return _from_text(value.strip(), day_first=day_first)
    return None


def _exported(value: dict[str, object]) -> object:
    """The date in what mongoexport writes: `{"$date": …}`, the milliseconds in another object."""
    inner = value.get("$date") if len(value) == 1 else None
    if isinstance(inner, dict):
        inner = inner.get("$numberLong")
    return inner if isinstance(inner, (str, int)) else None


def _from_text(text: str, *, day_first: bool | None) -> datetime | None:
    if found := _TWITTER.fullmatch(text):
        month, *rest = found.groups()
        day, hour, minute, second, year = map(int, rest)
        return datetime(year, _MONTHS.get(month.lower(), 0), day, hour, minute, second, tzinfo=UTC)
    if _NUMBER.fullmatch(text) and len(text) != len("20181010"):
        return _from_number(float(text))
    if found := _DOT_NET.fullmatch(text):
        return _from_number(float(found[1]))
    return _from_iso(text) or _from_words(text, day_first=day_first)


def _from_iso(text: str) -> datetime | None:
    try:
        return _in_utc(datetime.fromisoformat(_zone_joined(text)))
    except ValueError:
        return None


def _from_words(text: str, *, day_first: bool | None) -> datetime | None:
    if found := _YEAR_LAST.fullmatch(text):
        return _year_last(found, day_first=day_first)
    for pattern in (_YEAR_FIRST, *_WORDED):
        if found := pattern.fullmatch(text):
            return _instant(found, _month(found["month"]), int(found["day"]), int(found["year"]))
    return None


def _zone_joined(text: str) -> str:
    """`… 02:26:59 +0000` as `… 02:26:59+0000`, and a zone's name as `Z`."""
    return _ZONE.sub(lambda found: "" if found[0] == " " else "Z", text)


def _year_last(found: re.Match[str], *, day_first: bool | None) -> datetime | None:
    first, other, year = int(found["first"]), int(found["other"]), int(found["year"])
    if found["sign"] == ".":
        day_first = True
    elif first > 12 or other > 12 or first == other:
        day_first = first > 12
    if day_first is None:
        return None
    day, month = (first, other) if day_first else (other, first)
    return _instant(found, month, day, year if year > 99 else 2000 + year)


def _month(name: str) -> int:
    if name.isdigit():
        return int(name)
    number = _MONTHS.get(name[:3].lower(), 0)
    full = "january february march april may june july august september october november december"
    if name.lower() not in ("sept", name[:3].lower(), full.split()[number - 1]):
        raise ValueError("not the name of a month")
    return number


def _instant(found: re.Match[str], month: int, day: int, year: int) -> datetime | None:
    parts = found.groupdict()
    hour = int(parts["hour"] or 0)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError("not an hour")
        hour = hour % 12 + (12 if half in "pP" else 0)
    minute, second = int(parts["minute"] or 0), int(parts["second"] or 0)
    local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    offset = offset_of(parts.get("zone"), local)
    return None if offset is None else local - offset


def _from_number(number: float) -> datetime | None:
    low, high = _SERIALS
    if low <= number <= high:
        return _SERIAL_EPOCH + timedelta(seconds=round(number * 86_400))
    seconds = number / (1000 if number >= _MILLISECONDS_FROM else 1)
    low, high = _EPOCH_SECONDS
    return datetime.fromtimestamp(seconds, UTC) if low <= seconds < high else None


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)
