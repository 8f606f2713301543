"""The columns of the lake, and the metadata of its files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from tasks.core.errors import StorageUnusable
from tasks.lake.segments import Segment, segments_from_json, segments_to_json

VERSION = 1
# A program that knows only version 1 must not read a merged file as a single scrape.
MERGED_VERSION = 2
_VERSION_KEY = b"huggingtweets.schema"
_SCRAPED_KEY = b"huggingtweets.scraped_at"
_SEGMENTS_KEY = b"huggingtweets.pieces"

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("id", pa.string()),
    ("handle", pa.string()),
    ("created_at", pa.timestamp("us", tz="UTC")),
    ("text", pa.string()),
    ("lang", pa.string()),
    ("kind", pa.string()),
    ("source", pa.string()),
    ("scraped_at", pa.timestamp("us", tz="UTC")),
    ("raw", pa.large_string()),  # an account's JSON may exceed the 2 GB of `string`
]
SCHEMA = pa.schema(_COLUMNS)
WITHOUT_RAW = [name for name in SCHEMA.names if name != "raw"]


def scrape_schema(scraped_at: datetime) -> pa.Schema:
    """The schema of a file with the rows of one scrape: version and time are in its metadata."""
    version, instant = str(VERSION).encode(), scraped_at.isoformat().encode()
    return SCHEMA.with_metadata({_VERSION_KEY: version, _SCRAPED_KEY: instant})


def merged_schema(segments: Iterable[Segment]) -> pa.Schema:
    """The schema of a file that holds several segments, one after the other."""
    version = str(MERGED_VERSION).encode()
    return SCHEMA.with_metadata({_VERSION_KEY: version, _SEGMENTS_KEY: segments_to_json(segments)})


def scraped_at_of(schema: pa.Schema, name: str) -> datetime:
    """When the rows of a file were scraped; `name` is the file's, for the message.

    Raises StorageUnusable for a file of a newer version, or one that the lake did not write.
    """
    try:
        return datetime.fromisoformat(_metadata(schema, _SCRAPED_KEY, name))
    except ValueError as error:
        raise _not_of_the_lake(name) from error


def segments_of(schema: pa.Schema, name: str) -> tuple[Segment, ...]:
    """The segments in a merged file, in the order of its rows.

    Raises StorageUnusable as `scraped_at_of` does.
    """
    try:
        return segments_from_json(_metadata(schema, _SEGMENTS_KEY, name))
    except ValueError as error:
        raise _not_of_the_lake(name) from error


def _metadata(schema: pa.Schema, key: bytes, name: str) -> str:
    metadata = schema.metadata or {}
    version, value = (
        metadata.get(each, b"").decode("utf-8", "replace") for each in (_VERSION_KEY, key)
    )
    if version.isdecimal() and int(version) > MERGED_VERSION:
        raise StorageUnusable(
            f"{name}: written with version {version} of the schema, this program knows "
            f"{MERGED_VERSION}: update huggingtweets"
        )
    return value


def _not_of_the_lake(name: str) -> StorageUnusable:
    return StorageUnusable(
        f"{name}: not a file of the lake, it does not say its schema: move it elsewhere"
    )
