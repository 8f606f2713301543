"""Posts as the lake gives them, without the lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("handle", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("text", pa.string()),
        ("lang", pa.string()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("scraped_at", pa.timestamp("us", tz="UTC")),
        ("raw", pa.large_string()),
    ]
)


def lake_table(
    texts: Sequence[str],
    *,
    handle: str = "alice",
    kinds: Sequence[str] | None = None,
    languages: Sequence[str | None] | None = None,
    dated: bool = True,
    source: str = "table",
) -> pa.Table:
    """A post an hour with these texts, oldest first; ids are their places, counted from 1."""
    number = len(texts)
    dates = [START + timedelta(hours=hour) if dated else None for hour in range(number)]
    columns = {
        "id": [str(place + 1) for place in range(number)],
        "handle": [handle] * number,
        "created_at": dates,
        "text": list(texts),
        "lang": list(languages or [None] * number),
        "kind": list(kinds or ["post"] * number),
        "source": [source] * number,
        "scraped_at": [START] * number,
        "raw": ["{}"] * number,
    }
    return pa.table(columns, schema=SCHEMA)


def sentences(number: int, start: int = 0) -> list[str]:
    """Different texts, long enough to be kept by every filter."""
    return [f"this is the different sentence number {start + n}" for n in range(number)]
