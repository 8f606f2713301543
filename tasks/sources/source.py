"""What every source of posts offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tasks.core.names import Handle
from tasks.core.records import Post, Profile
from tasks.sources.findings import Findings

BATCH_POSTS = 1_000
BATCH_CHARACTERS = 4_000_000


class Source(Protocol):
    """Where the posts of one account come from."""

    @property
    def name(self) -> str:
        """The kind of source, such as `table` or `x_archive`."""
        ...

    @property
    def handle(self) -> Handle:
        """Whose posts these are."""
        ...

    def profile(self) -> Profile | None:
        """The account's name and avatar, or None if the source does not hold them."""
        ...

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """Posts newer than the post with this id (all for None), some hundreds at a time.

        A file yields all of its posts: the lake knows which it has.
        Raises UnreadableSource, AccountUnavailable or a transient error.
        """
        ...


class FileSource(Source, Protocol):
    """Posts in files, which says what it understood of them."""

    @property
    def findings(self) -> Findings:
        """What was understood so far; complete once all batches are read."""
        ...


def in_batches(posts: Iterable[Post]) -> Iterator[list[Post]]:
    """Posts in lists that are bounded by posts and by characters."""
    batch: list[Post] = []
    characters = 0
    for post in posts:
        batch.append(post)
        characters += len(post.text) + len(post.raw)
        if len(batch) == BATCH_POSTS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
