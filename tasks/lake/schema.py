"""The columns of the lake, and what its files say of themselves beside the rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from tasks.core.errors import StorageUnusable
from tasks.lake.segments import Piece, dumped, loaded

VERSION = 1
# Of files that hold several scrapes: a program that knows version 1 only must not read them as one.
MERGED_VERSION = 2
_VERSION_KEY = b"huggingtweets.schema"
_SCRAPED_KEY = b"huggingtweets.scraped_at"
_PIECES_KEY = b"huggingtweets.pieces"

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
    told = {_VERSION_KEY: str(VERSION).encode(), _SCRAPED_KEY: scraped_at.isoformat().encode()}
    return SCHEMA.with_metadata(told)


def merged_schema(pieces: Iterable[Piece]) -> pa.Schema:
    """The schema of a file that holds several scrapes, one after the other."""
    told = {_VERSION_KEY: str(MERGED_VERSION).encode(), _PIECES_KEY: dumped(pieces)}
    return SCHEMA.with_metadata(told)


def scrape_of(schema: pa.Schema, name: str) -> datetime:
    """When the rows of a part were scraped; `name` is the file's, for the message.

    Raises StorageUnusable where the part was written by a newer version, or is none of ours.
    """
    told = _told(schema, _SCRAPED_KEY, name)
    try:
        return datetime.fromisoformat(told)
    except ValueError as error:
        raise _not_of_the_lake(name) from error


def pieces_of(schema: pa.Schema, name: str) -> tuple[Piece, ...]:
    """What a file holds that several scrapes were merged into, in the order of its rows.

    Raises StorageUnusable as `scrape_of` does.
    """
    told = _told(schema, _PIECES_KEY, name)
    try:
        return loaded(told)
    except ValueError as error:
        raise _not_of_the_lake(name) from error


def _told(schema: pa.Schema, key: bytes, name: str) -> str:
    metadata = schema.metadata or {}
    version, told = (
        metadata.get(each, b"").decode("utf-8", "replace") for each in (_VERSION_KEY, key)
    )
    if version.isdecimal() and int(version) > MERGED_VERSION:
        raise StorageUnusable(
            f"{name}: written with version {version} of the schema, this program knows "
            f"{MERGED_VERSION}: update huggingtweets"
        )
    return told


def _not_of_the_lake(name: str) -> StorageUnusable:
    return StorageUnusable(
        f"{name}: not a file of the lake, it does not say its schema: move it elsewhere"
    )
