"""Long posts, "note tweets": their full text is in a file of its own, and the post's is cut."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import takewhile
from typing import Any

from tasks.sources.dates import parse_date

_SECONDS = 5
_SHORTEST = 100  # a shorter text has not been cut
_PREFIX = 40
_CUT = re.compile(r"(?:…|\.\.\.)?\s*(?:https://t\.co/\w+)?\s*$")
_MENTIONS = re.compile(r"(?:@\w+\s+)+")


class LongPosts:
    """The full texts of an account's long posts.

    In one format of the file a note names its post. In the other it does not; then a note belongs
    to a post of about its time (5 seconds) whose text begins in the same way.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_second: dict[int, list[str]] = defaultdict(list)
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Mapping[str, Any]) -> None:
        note = _object(entry, "noteTweet") or entry
        results = _object(note, "noteTweetResults") or note
        text = (_object(note, "core") or results).get("text")
        if not isinstance(text, str):
            return
        if post_id := note.get("tweetId") or results.get("tweetId"):
            self._by_id[str(post_id)] = text
        elif created_at := parse_date(note.get("createdAt")):
            self._by_second[int(created_at.timestamp())].append(text)

    def full_text(self, post_id: str, text: str, created_at: datetime | None) -> str:
        """The full text of a post: that of its note, or else its own."""
        if post_id in self._by_id:
            return self._by_id[post_id]
        if not self._by_second or created_at is None or len(text) < _SHORTEST:
            return text
        second, start = int(created_at.timestamp()), _bare(_CUT.sub("", text))
        near = range(second - _SECONDS, second + _SECONDS + 1)
        notes = [note for at in near for note in self._by_second.get(at, ())]
        common, note = max(((_common(start, note), note) for note in notes), default=(0, text))
        return note if common >= _PREFIX and len(note) > len(text) else text


def _common(start: str, note: str) -> int:
    pairs = zip(start, _bare(note), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _bare(text: str) -> str:
    return _MENTIONS.sub("", html.unescape(text), count=1).strip()


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found = value.get(key)
    return found if isinstance(found, dict) else None
