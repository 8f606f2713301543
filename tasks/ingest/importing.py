"""The posts of an archive or a table, brought into the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.names import Handle
from tasks.ingest.accounts import save_profile
from tasks.ingest.stored_imports import own_instants, record_import
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


def import_posts(handle: Handle, source: Source, path: Path | None = None) -> Scraped:
    """Append all posts of a source to the lake, and keep the account's profile.

    path: of the file; the import is then listed by it, and can be taken back.
    Raises OptedOut, DamagedState, and what the source raises.
    """
    storage, now = storage_root(), datetime.now(UTC)
    refuse_opted_out(storage, handle)
    own = None if path is None else own_instants(storage, handle, path)
    appended = append(storage, handle, source.batches(None), scraped_at=now, own=own)
    if path is not None:
        record_import(storage, handle, path, source.name, now, appended.repeats)
    if (profile := source.profile()) is not None:
        save_profile(storage, profile)
    stored = state(storage, handle).rows
    return Scraped(handle, source.name, appended.new, appended.seen, stored)
