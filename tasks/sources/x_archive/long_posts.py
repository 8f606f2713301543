"""Long posts: X archives keep their whole text in a file of its own, and a cut one in the post."""

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


class Notes:
    """The whole texts of an account's long posts.

    One shape of the file names the post; the other has an id of its own, so that date (within 5
    seconds) and beginning of the text have to tell.
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

    def whole(self, post_id: str, text: str, created_at: datetime | None) -> str:
        """The whole text of a post: that of its note, or else the one it has."""
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
