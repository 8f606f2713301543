"""The columns of the lake, and the version of them that a file says it has."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from tasks.errors import StorageUnusable

VERSION = 1
_VERSION_KEY = b"huggingtweets.schema"
_SCRAPED_KEY = b"huggingtweets.scraped_at"

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("id", pa.string()),
    ("handle", pa.string()),
    ("created_at", pa.timestamp("us", tz="UTC")),
    ("text", pa.string()),
    ("lang", pa.string()),
    ("kind", pa.string()),
    ("source", pa.string()),
    ("scraped_at", pa.timestamp("us", tz="UTC")),
    ("raw", pa.large_string()),  # an account's JSON together may pass the 2 GB of `string`
]
SCHEMA = pa.schema(_COLUMNS)
WITHOUT_RAW = [name for name in SCHEMA.names if name != "raw"]


def part_schema(scraped_at: datetime) -> pa.Schema:
    """The schema of a part, with its version and the instant of its scrape in the metadata."""
    return SCHEMA.with_metadata(
        {_VERSION_KEY: str(VERSION).encode(), _SCRAPED_KEY: scraped_at.isoformat().encode()}
    )


def scrape_of(schema: pa.Schema, name: str) -> datetime:
    """When the rows of a part were scraped; `name` is the file's, for the message.

    Raises StorageUnusable where the part was written by a newer version, or is none of ours.
    """
    metadata = schema.metadata or {}
    version, scraped_at = (
        metadata.get(key, b"").decode("ascii", "replace") for key in (_VERSION_KEY, _SCRAPED_KEY)
    )
    if version.isdecimal() and int(version) > VERSION:
        raise StorageUnusable(
            f"{name}: written with version {version} of the schema, this program knows "
            f"{VERSION}: update huggingtweets"
        )
    try:
        return datetime.fromisoformat(scraped_at)
    except ValueError as error:
        raise StorageUnusable(
            f"{name}: not a file of the lake, it does not say its schema: move it elsewhere"
        ) from error
