"""The elements of a Bluesky feed as posts."""

from __future__ import annotations

import json
import re
import zlib
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any

from tasks.core.names import BlueskyHandle
from tasks.core.records import Kind, Post
from tasks.sources.bluesky.facets import without_links
from tasks.sources.dates import parse_date
from tasks.sources.post_fields import language_of

REPOST = "app.bsky.feed.defs#reasonRepost"
_QUOTES = ("app.bsky.embed.record", "app.bsky.embed.recordWithMedia")
_TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
_TID = re.compile(rf"[{_TID_DIGITS[:16]}][{_TID_DIGITS}]{{12}}")
_CLOCK_BITS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE = timedelta(days=1)


class MalformedPost(ValueError):
    """An element without a field that every post has; the message names it."""


def post_of(element: Any, handle: BlueskyHandle, did: str, source: str) -> Post:
    """The post or repost in an element of the feed of `handle`.

    did: the account's own; a post with another author is a repost. Raises MalformedPost.
    """
    post = _field(element, "post", dict)
    record = _field(post, "record", dict)
    text = _field(record, "text", str)
    repost = _repost(element)
    kind = Kind.RETWEET if repost is not None or _author(post) != did else _own_kind(record)
    shown = post if repost is None else repost
    indexed_at = _instant(_field(shown, "indexedAt", str))
    uri = shown.get("uri") or f"{_field(post, 'uri', str)}#{indexed_at}"
    return Post(
        id=_post_id(str(uri), indexed_at),
        handle=handle,
        created_at=indexed_at if repost is not None else _created(record, indexed_at),
        text=without_links(text, record.get("facets")),
        lang=_language(record),
        kind=kind,
        source=source,
        raw=_json(element),
    )


def _json(element: Any) -> str:
    try:
        return json.dumps(element)
    except (ValueError, RecursionError) as error:
        raise MalformedPost("JSON is nested too deeply") from error


def _field(value: Any, name: str, kind: type) -> Any:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise MalformedPost(f"{name} is {str(found)[:40]!r}")
    return found


def _repost(element: dict[str, Any]) -> dict[str, Any] | None:
    reason = element.get("reason")
    return reason if isinstance(reason, dict) and reason.get("$type") == REPOST else None


def _author(post: dict[str, Any]) -> str:
    return str(_field(_field(post, "author", dict), "did", str))


def _own_kind(record: dict[str, Any]) -> Kind:
    if record.get("reply"):
        return Kind.REPLY
    embed = record.get("embed")
    return Kind.QUOTE if isinstance(embed, dict) and _quotes_a_post(embed) else Kind.POST


def _quotes_a_post(embed: dict[str, Any]) -> bool:
    """Whether the embedded record is a post; lists and feeds are embedded in the same way."""
    inner = embed.get("record")
    while isinstance(inner, dict) and isinstance(inner.get("record"), dict):
        inner = inner["record"]
    uri = inner.get("uri") if isinstance(inner, dict) else None
    return embed.get("$type") in _QUOTES and "/app.bsky.feed.post/" in str(uri)


def _instant(text: str) -> datetime:
    instant = parse_date(text)
    if instant is None or not _EPOCH.year < instant.year < MAXYEAR:
        raise MalformedPost(f"indexedAt is {text[:40]!r}")
    return instant


def _created(record: dict[str, Any], indexed_at: datetime) -> datetime:
    """When it was written according to its author, but not after Bluesky received it."""
    return min(parse_date(record.get("createdAt")) or indexed_at, indexed_at)


def _language(record: dict[str, Any]) -> str | None:
    """The first of the languages that the author's client named."""
    languages = record.get("langs")
    return language_of(languages[0]) if isinstance(languages, list) and languages else None


def written_at(uri: str, created_at: object, now: datetime) -> datetime:
    """When a record was written by its key, a TID, or else by its author; aware, UTC.

    Neither is believed from tomorrow on. Raises MalformedPost where there is no date.
    """
    by_key = (_tid_of(uri) or 0) >> _CLOCK_BITS
    if 0 < by_key <= _microseconds(now + _CLOCK_TOLERANCE):
        return _EPOCH + timedelta(microseconds=by_key)
    return min(_instant(created_at if isinstance(created_at, str) else ""), now)


def _tid_of(uri: str) -> int | None:
    """The key of a record as a number, None if it is not a TID."""
    key = uri.rsplit("/", 1)[-1]
    if not _TID.fullmatch(key):
        return None
    number = 0
    for digit in key:
        number = number << 5 | _TID_DIGITS.index(digit)
    return number


def _post_id(uri: str, indexed_at: datetime) -> str:
    """A decimal id that grows with time: the record's key, a TID, as a number.

    A key that is not a TID, or one from the future, which would hide all later posts, is replaced
    by the time when Bluesky received the record, with a hash of its URI.
    """
    number = _tid_of(uri)
    if number is not None and number >> _CLOCK_BITS <= _microseconds(indexed_at + _CLOCK_TOLERANCE):
        return str(number)
    clock = zlib.crc32(uri.encode("utf-8", "backslashreplace")) % (1 << _CLOCK_BITS)
    return str(_microseconds(indexed_at) << _CLOCK_BITS | clock)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
