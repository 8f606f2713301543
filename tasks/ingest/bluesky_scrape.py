"""Bring an account's posts from Bluesky into the lake.

The feed comes newest first and is short enough to be read in one go, so a scrape that ends half-way
stores nothing, and the next begins at the newest post again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.core.names import BlueskyHandle
from tasks.core.records import Post
from tasks.ingest.accounts import known_watermark, move_watermark, save_profile
from tasks.ingest.services import BLUESKY
from tasks.lake.posts import Appended, append
from tasks.sources.bluesky.source import BlueskySource
from tasks.storage import Storage


def scrape_from_bluesky(handle: BlueskyHandle, source: BlueskySource, storage: Storage) -> Appended:
    """Fetch an account's new posts into the lake, and its profile.

    Raises AccountUnavailable, SourceStopped, DamagedState, StorageUnusable or a transient error.
    """
    newest: list[int] = []

    def noted(batches: Iterator[list[Post]]) -> Iterator[list[Post]]:
        for batch in batches:
            newest.extend(int(post.id) for post in batch)
            yield batch

    found = noted(source.batches(known_watermark(storage, handle, BLUESKY)))
    appended = append(storage, handle, found, scraped_at=datetime.now(UTC))
    save_profile(storage, source.profile())
    if newest:
        move_watermark(storage, handle, BLUESKY, str(max(newest)))
    return appended
