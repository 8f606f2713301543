"""The posts of an archive or a table, brought into the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.core.names import Handle
from tasks.ingest.accounts import save_profile
from tasks.lake.posts import append, state
from tasks.sources.source import Source
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out


@dataclass(frozen=True)
class Scraped:
    """What a scrape brought.

    source: the kind of source; new: posts not stored before; seen: posts it offered.
    stored: posts of the handle in the lake afterwards.
    """

    handle: Handle
    source: str
    new: int
    seen: int
    stored: int


def import_posts(handle: Handle, source: Source) -> Scraped:
    """Append all posts of a source to the lake, and keep the account's profile.

    Raises OptedOut, and what the source raises.
    """
    storage = storage_root()
    refuse_opted_out(storage, handle)
    appended = append(storage, handle, source.batches(None), scraped_at=datetime.now(UTC))
    if (profile := source.profile()) is not None:
        save_profile(storage, profile)
    stored = state(storage, handle).rows
    return Scraped(handle, source.name, appended.new, appended.seen, stored)
