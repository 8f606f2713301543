"""What an import understood of its source, for the operator to look at before a bot learns it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.core.names import Handle
from tasks.core.records import Kind, Post, Profile
from tasks.sources.source import FileSource

SAMPLES = 3
_MOST_LANGUAGES = 8
_SEED = 0
_ENOUGH = 20  # posts of which not all are written in one moment
NO_DATES = (
    "most posts have no date: a tenth of the kept ones, drawn at random, will be held out, "
    "instead of the newest"
)


class ReportedSource:
    """A source whose posts are counted while they are read.

    See `tasks.sources.source.Source`; `report` is complete once all batches are read.
    """

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.name = source.name
        self._kinds: Counter[Kind] = Counter()
        self._languages: Counter[str] = Counter()
        self._posts = self._dated = self._own = self._edits = self._future = 0
        self._tomorrow = datetime.now(UTC) + timedelta(days=1)
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._samples: list[str] = []
        self._random = random.Random(_SEED)  # noqa: S311 - no secret

    @property
    def handle(self) -> Handle:
        """Whose posts these are."""
        return self._source.handle

    def profile(self) -> Profile | None:
        """The account's name and avatar, or None."""
        return self._source.profile()

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """The source's batches."""
        for batch in self._source.batches(newer_than):
            for post in batch:
                self._count(post)
            yield batch

    def _count(self, post: Post) -> None:
        self._posts += 1
        self._kinds[post.kind] += 1
        self._languages[post.lang or "unknown"] += 1
        if post.created_at is not None:
            self._dated += 1
            self._future += post.created_at > self._tomorrow
            self._first = min(self._first or post.created_at, post.created_at)
            self._last = max(self._last or post.created_at, post.created_at)
        self._edits += bool(post.replaces)
        if post.kind is not Kind.RETWEET:
            self._draw(post.text)

    def _draw(self, text: str) -> None:
        """Keep the text as one of a few, each with the same chance."""
        self._own += 1
        if len(self._samples) < SAMPLES:
            self._samples.append(text)
        elif (place := self._random.randrange(self._own)) < SAMPLES:
            self._samples[place] = text

    @property
    def has_dates(self) -> bool:
        """Whether at least half of the posts have a date."""
        return 2 * self._dated >= self._posts

    def _notices(self) -> Iterator[str]:
        if self._edits:
            yield f"posts that are edits: {self._edits:,}; of each only the newest version counts"
        if self._future:
            yield f"posts with a date in the future: {self._future:,}; is the right column used?"
        if self._dated >= _ENOUGH and self._first == self._last:
            remedy = ": leave the column out with --column date="
            yield (
                f"all {self._dated:,} dates are the same, so that they do not say which posts are "
                f"the newest{remedy if self._source.findings.columns else ''}"
            )
        if not self.has_dates:
            yield NO_DATES

    def report(self) -> dict[str, Any]:
        """What was understood, by plain names."""
        found = self._source.findings
        return {
            "columns": dict(found.columns),
            "dates": {
                "given": found.dates.given,
                "understood": found.dates.understood,
                "from_ids": found.dates_from_ids,
                "posts_with": self._dated,
                "first": self._first.isoformat() if self._first else None,
                "last": self._last.isoformat() if self._last else None,
            },
            "ids": {
                "given": found.ids.given,
                "understood": found.ids.understood,
                "made": max(self._posts - found.ids.understood, 0),
            },
            "kinds": {kind.value: self._kinds[kind] for kind in Kind if self._kinds[kind]},
            "languages": dict(self._languages.most_common(_MOST_LANGUAGES)),
            "held_out": "newest" if self.has_dates else "drawn",
            "notices": [*found.notices, *self._notices()],
            "samples": self._samples,
        }
