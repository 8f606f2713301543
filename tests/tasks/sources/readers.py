"""What `tests.bounded` runs: each reader of posts, as a function of a path."""

from __future__ import annotations

from pathlib import Path

from tasks.core.names import BlueskyHandle, Handle
from tasks.sources.bluesky.source import BlueskySource
from tasks.sources.file_sources import file_digest, open_file_source

ALICE = Handle("alice")


def read_posts(path: Path) -> int:
    """The number of posts in an archive or a table."""
    file_digest(path)
    return sum(map(len, open_file_source(path, ALICE).batches(None)))


def read_bluesky(path: Path) -> int:
    """The number of posts of alice.test at the address in a file."""
    url = path.read_text(encoding="utf-8")
    return sum(map(len, BlueskySource(BlueskyHandle("alice.test"), url).batches(None)))
