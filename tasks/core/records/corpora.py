"""A bot's kept texts, and counts of the dropped ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.core.names import Bot
from tasks.core.records.files import FileRef


@dataclass(frozen=True)
class Counts:
    """An account's posts in numbers: `downloaded = kept + sum(dropped.values())`, always.

    dropped: number of dropped posts by reason, in the filter's order.
    """

    downloaded: int
    kept: int
    dropped: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.downloaded != self.kept + sum(self.dropped.values()):
            raise AssertionError(f"counts do not add up: {self}")


@dataclass(frozen=True)
class Corpus:
    """A bot's kept texts, split into training and held-out.

    file: Parquet with the columns `handle, id, text, split` (`train` or `held_out`).
    counts: by handle.
    characters: of the kept texts of all handles, joined by the original's separator.
    sources: where the posts came from, sorted.
    first_post, last_post: dates (ISO 8601) of the oldest and newest kept post, where known.
    languages: codes (ISO 639-1) of one kept post of ten or more, the most frequent first.
    all_posts: Parquet with `handle, id, source` of every post that was looked at, kept or not.
    drawn: the handles whose held-out posts were drawn by a seed: their posts have no dates. Of the
        other handles the newest are held out.
    Older versions did not record these three, which are None then.
    """

    bot: Bot
    file: FileRef
    filter: str
    counts: Mapping[str, Counts]
    characters: int
    train: int
    held_out: int
    sources: tuple[str, ...]
    first_post: str | None = None
    last_post: str | None = None
    # Not compared, so that they change no cache key: they follow from the posts.
    languages: tuple[str, ...] | None = field(default=None, compare=False)
    all_posts: FileRef | None = field(default=None, compare=False)
    drawn: tuple[str, ...] | None = field(default=None, compare=False)

    @property
    def downloaded(self) -> int:
        """The posts of all handles that were looked at."""
        return sum(counts.downloaded for counts in self.counts.values())

    @property
    def kept(self) -> int:
        """The posts of all handles that were kept."""
        return sum(counts.kept for counts in self.counts.values())
