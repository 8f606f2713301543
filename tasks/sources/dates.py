"""Dates as tables and archives write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_TWITTER = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) \+0000 (\d{4})", re.ASCII
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_NUMBER = re.compile(r"\d{9,14}(\.\d*)?", re.ASCII)
_ZONE = re.compile(r" (?:UTC|GMT|Z)$| (?=[+-]\d\d:?\d\d$)", re.ASCII)
_MILLISECONDS_FROM = 1e11  # as seconds this would be the year 5138


def parse_date(value: object) -> datetime | None:
    """The instant in a cell, in UTC; None if the cell is empty or not a date.

    Known: ISO 8601, `2017-01-03 02:26:59 +0000`, `Wed Oct 10 20:19:24 +0000 2018`, and seconds
    or milliseconds since 1970. A date without a zone is taken as UTC.
    """
    try:
        return _parsed(value)
    except (ValueError, OverflowError, OSError):
        return None


def _parsed(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, (int, float)):
        return _since_1970(float(value))
    return _from_text(value.strip()) if isinstance(value, str) else None


def _from_text(text: str) -> datetime | None:
    if found := _TWITTER.fullmatch(text):
        month, *rest = found.groups()
        day, hour, minute, second, year = map(int, rest)
        return datetime(year, _MONTHS.get(month, 0), day, hour, minute, second, tzinfo=UTC)
    if _NUMBER.fullmatch(text):
        return _since_1970(float(text))
    return _in_utc(datetime.fromisoformat(_zone_joined(text)))


def _zone_joined(text: str) -> str:
    """`… 02:26:59 +0000` as `… 02:26:59+0000`, and a zone's name as `Z`."""
    return _ZONE.sub(lambda found: "" if found[0] == " " else "Z", text)


def _since_1970(number: float) -> datetime | None:
    if not 1e8 <= number < 1e14:
        return None
    return datetime.fromtimestamp(number / (1000 if number >= _MILLISECONDS_FROM else 1), UTC)


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)
