"""Time zones by the names that programs write after a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

# As JavaScript writes it too: `GMT+0200 (Central European Summer Time)`.
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d\d):?(\d\d)(?: \(.*\))?", re.ASCII)
# Hours from UTC. Only names of one meaning: IST is India's, Ireland's and Israel's time.
_ABBREVIATIONS = {
    "UTC": 0,
    "GMT": 0,
    "UT": 0,
    "Z": 0,
    "WET": 0,
    "WEST": 1,
    "BST": 1,
    "CET": 1,
    "CEST": 2,
    "MEZ": 1,
    "MESZ": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "BRT": -3,
    "WIB": 7,
    "HKT": 8,
    "SGT": 8,
    "AWST": 8,
    "JST": 9,
    "KST": 9,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
}
_WINDOWS = re.compile(r"(.+) (Standard|Daylight|Summer) Time")


def offset_of(name: str | None, local: datetime) -> timedelta | None:
    """How far a zone was ahead of UTC at a local time; none means UTC. None if it is not known.

    Known: offsets such as `+0200`, usual abbreviations, and the names that Windows has, such as
    `Eastern Standard Time`, in English. In the latter "Standard" is meant, also in summer.
    """
    if name is None:
        return timedelta(0)
    if found := _OFFSET.fullmatch(name):
        size = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return size if found[1] == "+" else -size
    if (hours := _ABBREVIATIONS.get(name.strip().upper())) is not None:
        return timedelta(hours=hours)
    return _windows_offset(name.strip(), local.year)


@cache
def _windows_offset(name: str, year: int) -> timedelta | None:
    from tzlocal.windows_tz import win_tz

    if (found := _WINDOWS.fullmatch(name)) is None:
        return None
    zone = win_tz.get(f"{found[1]} Standard Time")
    if zone is None:
        return None
    middle = datetime(year, 1, 15, tzinfo=UTC).astimezone(ZoneInfo(zone))
    standard = (middle.utcoffset() or timedelta(0)) - (middle.dst() or timedelta(0))
    return standard if found[2] == "Standard" else standard + timedelta(hours=1)
