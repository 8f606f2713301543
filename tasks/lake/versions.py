"""Which of several versions of a post counts, in whatever order they were stored.

An archive and an export of the same account hold the same posts, and one has cut texts or does
not know a retweet. The richest version counts: first one from anywhere but a table, then one whose
kind is known, then one without remains of an escape, which an earlier version of this program left,
then the longest, then one with a date, then one with a language. What is still equal is decided by
the content, so that the order of imports decides nothing. Where posts are edited under their ids,
the version that was stored last counts.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.records import Kind, Post

# What tells two versions apart.
VERSION_COLUMNS = ["id", "text", "kind", "source", "created_at", "lang"]
# With the date as microseconds since 1970.
Version = tuple[str, str, str, str, int | None, str | None]

_POOR = "table"
# `\xe2`, a literal `\n`, `<U+0001F602>`, UTF-8 read as Windows-1252, HTML twice escaped. Python
# and Arrow read the pattern in the same way.
_ESCAPED = re.compile(r"\\x[0-9a-f]{2}|\\n|<U\+[0-9A-F]{4,8}>|&amp;[a-z]+;|â€|ðŸ|Ã[\x80-\xbf]")
# Sources whose posts keep their ids when their authors edit them.
_EDITED_IN_PLACE = frozenset(("bluesky", "mastodon"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def version_of(post: Post) -> Version:
    """A post's values of `VERSION_COLUMNS`."""
    written = post.created_at
    instant = None if written is None else (written - _EPOCH) // _MICROSECOND
    return (post.id, post.text, post.kind.value, post.source, instant, post.lang)


def is_edited_in_place(source: str) -> bool:
    """Whether the posts of a source keep their ids when they are edited."""
    return source in _EDITED_IN_PLACE


def richness(version: Version) -> tuple[bool, bool, bool, int, bool, bool]:
    """Of two versions of a post the one with more counts; equal ones are as good."""
    _, text, kind, source, created_at, lang = version
    in_place = source in _EDITED_IN_PLACE
    known = kind != Kind.POST and not in_place
    is_clean = in_place or _ESCAPED.search(text) is None
    length = 0 if in_place else len(text)
    is_dated, has_language = created_at is not None, lang is not None
    return (
        source != _POOR,
        known,
        is_clean,
        length,
        is_dated and not in_place,
        has_language and not in_place,
    )


def fingerprint(version: Version) -> int:
    """64 bits that are the same for a version in every process."""
    whole = repr(version).encode("utf-8", "backslashreplace")
    return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest())


def versions_in(rows: pa.Table | pa.RecordBatch) -> list[Version]:
    """The versions in rows that have `VERSION_COLUMNS`."""
    columns = [rows.column(name) for name in VERSION_COLUMNS]
    plain = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in columns
    ]
    return list(zip(*(column.to_pylist() for column in plain), strict=True))


def richest(table: pa.Table) -> pa.Table:
    """Of each id the row that counts, rows kept in order. The table is in the order of storing."""
    numbered = pa.table({"id": table["id"], "row": np.arange(table.num_rows)})
    grouped = numbered.group_by("id").aggregate([("row", "count"), ("row", "max")])
    if grouped.num_rows == table.num_rows:
        return table
    is_single = pc.equal(grouped["row_count"], pa.scalar(1))
    several = grouped.filter(pc.invert(is_single))["id"]
    rows = np.flatnonzero(np.asarray(pc.is_in(table["id"], several.combine_chunks())))
    chosen = _last_of_each(_by_richness(table.take(rows), rows))
    single = grouped.filter(is_single)["row_max"].to_numpy()
    return table.take(np.sort(np.concatenate([single, chosen])))


def _by_richness(table: pa.Table, rows: Any) -> pa.Table:
    """The columns `id` and `row`, each id together and its richest version last."""
    in_place = pc.is_in(table["source"], pa.array(sorted(_EDITED_IN_PLACE)))
    keys = {
        "id": table["id"],
        "is_rich": pc.not_equal(table["source"], pa.scalar(_POOR)),
        "is_known": pc.and_not(pc.not_equal(table["kind"], pa.scalar(str(Kind.POST))), in_place),
        "is_clean": pc.or_(in_place, pc.invert(_is_escaped(table["text"]))),
        "length": pc.if_else(in_place, 0, pc.utf8_length(table["text"])),
        "is_dated": pc.and_not(pc.is_valid(table["created_at"]), in_place),
        "has_language": pc.and_not(pc.is_valid(table["lang"]), in_place),
        "order": pc.if_else(in_place, rows, -1),
        "text": table["text"],
        "kind": table["kind"],
        "source": table["source"],
        "created_at": table["created_at"],
        "lang": table["lang"],
        "row": rows,
    }
    keys = {name: _sortable(column) for name, column in keys.items()}
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return pa.table({"id": keys["id"], "row": rows}).take(order)


def _is_escaped(texts: Any) -> Any:
    return pc.match_substring_regex(texts, _ESCAPED.pattern)


def _sortable(column: Any) -> Any:
    """Arrow sorts no booleans."""
    values = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    return values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values


def _last_of_each(ordered: pa.Table) -> Any:
    """The last row of each id in a table in which equal ids are together."""
    ids = ordered["id"].combine_chunks()
    ends = np.append(np.asarray(pc.not_equal(ids[:-1], ids[1:])), [True])
    return ordered["row"].to_numpy()[ends]
