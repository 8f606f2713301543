"""`classic`: the original's filter, with its counts to the digit, faults included."""

from __future__ import annotations

import re

import pyarrow as pa

from tasks.curation.filtered import RETWEET, SHORT, Dropped, Filtered, Kept, Verdict, apply
from tasks.records import Kind

_ENTITIES = (("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# For each prefix in this order: with a blank before, with one after, on a line of its own …
_LINKS = [
    re.compile(pattern.replace("LINK", rf"{prefix}\S+"))
    for prefix in ("http:", "https:")
    for pattern in (" LINK", "LINK ", "\nLINK ", "\nLINK", "LINK")
]
_BLANKS = re.compile(" +")
_NOT_WORDS = ("http", "@", "#")
_MIN_WORDS = 3


def classic(posts: pa.Table, languages: tuple[str, ...]) -> Filtered:
    """Drop retweets, then texts of fewer than three words; it knows no languages."""
    del languages
    return apply(posts, _judge, (RETWEET, SHORT))


def clean(text: str) -> str:
    """The original's cleaning: three entities decoded, links out, one blank between words."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    for link in _LINKS:
        text = link.sub("", text)
    return " ".join(_BLANKS.sub(" ", text).split()).strip()


def is_short(cleaned: str) -> bool:
    """Whether fewer than three words are neither a link, a mention nor a hashtag."""
    words = [w for w in cleaned.split() if not any(mark in w.lower() for mark in _NOT_WORDS)]
    return len(words) < _MIN_WORDS


def _judge(post: dict[str, str | None]) -> Verdict:
    if post["kind"] == Kind.RETWEET:
        return Dropped(RETWEET)
    cleaned = clean(post["text"] or "")
    return Dropped(SHORT) if is_short(cleaned) else Kept(cleaned)
