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
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.records import Kind, Post

# What tells two versions apart.
VERSION_COLUMNS = ["id", "text", "kind", "source", "created_at", "lang"]
_TYPES = dict.fromkeys(VERSION_COLUMNS, pa.string()) | {"created_at": pa.int64()}
# With the date as microseconds since 1970.
Version = tuple[str, str, str, str, int | None, str | None]

_POOR = "table"
# `\xe2`, a literal `\n`, `<U+0001F602>`, UTF-8 read as Windows-1252, HTML twice escaped.
_ESCAPED = r"\\x[0-9a-f]{2}|\\n|<U\+[0-9A-F]{4,8}>|&amp;[a-z]+;|â€|ðŸ|Ã[\x80-\xbf]"
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


def ranks(rows: Any) -> Any:
    """A number for each row of a table or a batch: of two versions of a post the higher counts.

    Equal ones are as good. The rows have `VERSION_COLUMNS`; the numbers are int64.
    """
    in_place = pc.is_in(rows["source"], pa.array(sorted(_EDITED_IN_PLACE)))
    flags = (  # each counts more than all that come after it
        (pc.not_equal(rows["source"], pa.scalar(_POOR)), 62),
        (pc.and_not(pc.not_equal(rows["kind"], pa.scalar(str(Kind.POST))), in_place), 61),
        (pc.or_(in_place, pc.invert(_is_escaped(rows["text"]))), 60),
        (pc.and_not(pc.is_valid(rows["created_at"]), in_place), 1),
        (pc.and_not(pc.is_valid(rows["lang"]), in_place), 0),
    )
    length = pc.if_else(in_place, 0, pc.utf8_length(rows["text"]))
    rank = pc.shift_left(length.cast(pa.int64()), _number(2))
    for flag, bit in flags:
        rank = pc.bit_wise_or(rank, pc.shift_left(flag.cast(pa.int64()), _number(bit)))
    return rank


def ranks_of(versions: Sequence[Version]) -> list[int]:
    """The ranks of versions."""
    columns = zip(_TYPES, zip(*versions, strict=True), strict=True)
    rows = pa.table({name: pa.array(values, _TYPES[name]) for name, values in columns})
    return list(ranks(rows).to_pylist())


def _number(value: int) -> Any:
    return pa.scalar(value, pa.int64())


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
        "rank": ranks(table),
        "order": pc.if_else(in_place, rows, -1),
        **{name: table[name] for name in VERSION_COLUMNS if name != "id"},
        "row": rows,
    }
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return pa.table({"id": keys["id"], "row": rows}).take(order)


def _is_escaped(texts: Any) -> Any:
    return pc.match_substring_regex(texts, _ESCAPED)


def _last_of_each(ordered: pa.Table) -> Any:
    """The last row of each id in a table in which equal ids are together."""
    ids = ordered["id"].combine_chunks()
    ends = np.append(np.asarray(pc.not_equal(ids[:-1], ids[1:])), [True])
    return ordered["row"].to_numpy()[ends]
