"""Long posts, "note tweets": their full text is in a file of its own, and the post's is cut."""

from __future__ import annotations

import re
from bisect import bisect, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from tasks.sources.dates import parse_date

_SECONDS = 5
_SHORTEST = 100  # a shorter text has not been cut
_PREFIX = 40
_SHORT_LINK = "https://t.co/"
_LINK = re.compile(rf"{_SHORT_LINK}\w+")
_MENTIONS = re.compile(r"(?:@\w+\s+)+")


class _Note(NamedTuple):
    """A full text, and before it the same without what posts and notes write differently."""

    compared: str
    text: str


class LongPosts:
    """The full texts of an account's long posts.

    In one format of the file a note names its post. In the other it does not; then a note belongs
    to a post of about its time (5 seconds) whose text begins in the same way. Notes of a second
    are sorted, so that the one that has most in common with a post is found without a look at all.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_second: dict[int, list[_Note]] = defaultdict(list)
        for entry in entries:
            self._add(entry)
        for notes in self._by_second.values():
            notes.sort()

    def _add(self, entry: Mapping[str, Any]) -> None:
        note = _object(entry, "noteTweet") or entry
        results = _object(note, "noteTweetResults") or note
        text = (_object(note, "core") or results).get("text")
        if not isinstance(text, str):
            return
        if post_id := note.get("tweetId") or results.get("tweetId"):
            self._by_id[str(post_id)] = text
        elif created_at := parse_date(note.get("createdAt")):
            self._by_second[int(created_at.timestamp())].append(_Note(_compared(text), text))

    def full_text(self, post_id: str, text: str, created_at: datetime | None) -> str:
        """The full text of a post: that of its note, or else its own."""
        if post_id in self._by_id:
            return self._by_id[post_id]
        if not self._by_second or created_at is None or len(text) < _SHORTEST:
            return text
        second, start = int(created_at.timestamp()), _compared(_without_ending(text))
        near = range(second - _SECONDS, second + _SECONDS + 1)
        found = (_closest(self._by_second.get(at, []), start) for at in near)
        common, note = max(filter(None, found), default=(0, ""))
        # Not longer than the text: what was cut off may be shorter than the link in its place.
        return note if common >= _PREFIX and len(_compared(note)) > len(start) else text


def _closest(notes: list[_Note], start: str) -> tuple[int, str] | None:
    """The note with the longest prefix in common with `start`, after the length of that prefix.

    Of several the last is taken. None if there are no notes.
    """
    compared = attrgetter("compared")
    at = bisect(notes, start, key=compared)
    neighbours = notes[max(at - 1, 0) : at + 1]
    if not neighbours:
        return None
    common = max(_common_prefix(start, note.compared) for note in neighbours)
    last = bisect_right(notes, start[:common], key=lambda note: note.compared[:common])
    return common, notes[last - 1].text


def _common_prefix(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _without_ending(text: str) -> str:
    """A cut text without the ellipsis and the link at its end."""
    text = text.rstrip()
    link = text.rfind(_SHORT_LINK)
    if link >= 0 and _LINK.fullmatch(text, link):
        text = text[:link].rstrip()
    return text.removesuffix("...").removesuffix("…")


def _compared(text: str) -> str:
    # These three are what X escapes.
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return _MENTIONS.sub("", text, count=1).strip()


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found = value.get(key)
    return found if isinstance(found, dict) else None
