"""Segments: the rows that one scrape added, in whichever file they lie now.

A scrape writes its rows as a file of its own. Later the small files of an account are merged into
one, which holds their rows one after the other and lists its segments in its metadata. A segment
keeps the name and the size of its first file, so that a digest over an account's segments does not
change when files are merged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Segment:
    """The rows that one scrape added.

    name: of the file that the scrape wrote, without its suffix. scraped_at: of all its rows.
    rows, bytes: of that file.
    """

    name: str
    scraped_at: datetime
    rows: int
    bytes: int


def segments_to_json(segments: Iterable[Segment]) -> bytes:
    """Segments as they are stored in a file's metadata."""
    return json.dumps(
        [
            [each.name, (each.scraped_at - _EPOCH) // _MICROSECOND, each.rows, each.bytes]
            for each in segments
        ]
    ).encode()


def segments_from_json(text: str) -> tuple[Segment, ...]:
    """The segments that `segments_to_json` wrote. Raises ValueError for anything else."""
    try:
        return tuple(
            Segment(str(name), _EPOCH + int(instant) * _MICROSECOND, int(rows), int(size))
            for name, instant, rows, size in json.loads(text)
        )
    except (TypeError, OverflowError) as error:
        raise ValueError(f"not a list of segments: {error}") from error
