"""The original's filter post by post: slow and plain, what `classic` is measured against."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ENTITIES = (("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_BORING = ("http", "@", "#")


def clean(text: str) -> str:
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    for start in ("http:", "https:"):
        text = re.sub(rf" {start}\S+", "", text)
        text = re.sub(rf"{start}\S+ ", "", text)
        text = re.sub(rf"\n{start}\S+ ", "", text)
        text = re.sub(rf"\n{start}\S+", "", text)
        text = re.sub(rf"{start}\S+", "", text)
    text = re.sub(" +", " ", text)
    return " ".join(text.split()).strip()


def is_short(text: str) -> bool:
    words = [word for word in text.split() if all(b not in word.lower() for b in _BORING)]
    return len(words) < 3


def kept_texts(posts: Iterable[tuple[str, bool]]) -> tuple[list[str], int, int]:
    """The kept texts, the number of retweets and the number of short posts."""
    kept, retweets, short = [], 0, 0
    for text, is_retweet in posts:
        if is_retweet:
            retweets += 1
            continue
        cleaned = clean(text)
        if is_short(cleaned):
            short += 1
        else:
            kept.append(cleaned)
    return kept, retweets, short
