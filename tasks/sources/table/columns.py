"""What the columns of a table mean, and how a row becomes a post."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.records.made_ids import MadeIds
from tasks.sources.dates import parse_date
from tasks.sources.post_fields import (
    earlier_versions,
    is_set,
    kind_of,
    language_of,
    long_text,
    named_kind,
    plain_name,
)

# Names seen in real tables, the more exact first; compared without case, spaces, `_` and `-`.
KNOWN = {
    "id": ("idstr", "tweetid", "statusid", "postid", "id"),
    "text": (
        *("fulltext", "text", "tweet", "tweettext", "posttext", "rawcontent", "content", "post"),
        *("body", "tweetcontent", "tweetfulltext", "postcontent", "message", "tweets"),
    ),
    "created_at": (
        *("createdat", "timestamp", "datetime", "datecreated", "date", "time", "publishdate"),
        *("publishedat", "postedat", "postdate", "tweetdate", "tweetcreatedat", "datetimeutc"),
        *("createdatutc", "dateutc", "posttime", "created", "published", "dates"),
    ),
    "lang": ("lang", "language"),
    "kind": ("tweettype", "posttype", "kind", "type"),
    "retweet_flag": ("isretweet", "retweetflag", "retweet"),
    "retweet_of": ("retweetedstatusid", "retweetedstatusidstr", "retweetedstatus"),
    "reply_to": ("inreplytostatusid", "inreplytostatusidstr", "replytoid"),
    "reply_to_user": ("inreplytouserid", "inreplytouseridstr"),
    "quote_of": ("quotedstatusid", "quotedstatusidstr", "quotedid"),
    "author": (
        *("author.username", "user.screenname", "user.username", "username", "screenname"),
        *("authorusername", "userscreenname", "userusername", "author", "user", "handle"),
    ),
}
# What an operator may call a meaning too.
ALIASES = {"date": "created_at", "language": "lang", "retweet": "retweet_flag"}
# Not `8.16E+17` or `816108564720812032.0`: a spreadsheet has rounded these, so that different
# posts would share an id.
# `x123` is what R's rtweet writes, and `'123`, `="123"` and `ID:123` what others do, so that a
# spreadsheet rounds no id.
_BARE_ID = re.compile(r"(?:x|'|=?\"|ID:\s?)(\d{1,20})\"?", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_:-]{1,64}")


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns by their meaning; `text` is always among them."""

    names: Mapping[str, str]

    def post(self, row: Mapping[str, Any], handle: Handle, made: MadeIds, raw: str) -> Post:
        """The post in a row, with a made id if the row has no exact one."""
        text = long_text(row) or _text(row.get(self.names["text"]))
        post_id = exact_id(self._cell(row, "id")) or made.next(text)
        return Post(
            id=post_id,
            handle=handle,
            created_at=parse_date(self._cell(row, "created_at")),
            text=text,
            lang=language_of(self._cell(row, "lang")),
            kind=self._kind(row, text),
            source="table",
            raw=raw,
            replaces=earlier_versions(row, post_id),
        )

    def _cell(self, row: Mapping[str, Any], meaning: str) -> Any:
        name = self.names.get(meaning)
        return None if name is None else row.get(name)

    def _kind(self, row: Mapping[str, Any], text: str) -> Kind:
        known = [name for name in ("retweet_flag", "retweet_of") if self.names.get(name) in row]
        marked = any(is_set(self._cell(row, name)) for name in known) if known else None
        named = named_kind(self._cell(row, "kind"))
        if named is not None and named is not Kind.POST:
            return named
        if (kind := kind_of(row, text, is_retweet=marked)) is not Kind.POST:
            return kind
        if is_set(self._cell(row, "reply_to")) or is_set(self._cell(row, "reply_to_user")):
            return Kind.REPLY
        return Kind.QUOTE if is_set(self._cell(row, "quote_of")) else Kind.POST


def find_columns(seen: Iterable[str], given: Mapping[str, str]) -> Columns | None:
    """What the columns mean; None if none holds the text.

    given: the operator's choice: column names by their meaning (see KNOWN), empty for none.
    """
    plain = {plain_name(name): name for name in reversed(list(seen))}
    names = {
        meaning: next((plain[name] for name in known if name in plain), None)
        for meaning, known in KNOWN.items()
    }
    names.update({ALIASES.get(meaning, meaning): name for meaning, name in given.items()})
    found = {meaning: name for meaning, name in names.items() if name}
    return Columns(found) if found.get("text") in plain.values() else None


def _text(value: object) -> str:
    if isinstance(value, (list, dict, bytes)):
        raise UnreadableSource(f"the text is a {type(value).__name__}, not a string")
    return "" if value is None else str(value)


def exact_id(value: object) -> str | None:
    """The id in a cell, None if it holds none or one that was rounded."""
    if isinstance(value, (bool, float)) or value is None:
        return None
    text = _BARE_ID.sub(r"\1", str(value).strip())
    return text if _ID.fullmatch(text) and is_set(text) else None
