"""Bring an account's posts from a source into the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prefect import task

from tasks.lake.accounts import save_profile
from tasks.lake.posts import append, state
from tasks.policies import RETRY, cached
from tasks.records import Handle
from tasks.sources.files import file_digest, open_file_source
from tasks.sources.source import Source
from tasks.storage import storage_root


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
    """Append all posts of a source to the lake, and keep the account's profile."""
    storage = storage_root()
    appended = append(storage, handle, source.batches(None), scraped_at=datetime.now(UTC))
    if (profile := source.profile()) is not None:
        save_profile(storage, profile)
    stored = state(storage, handle).rows
    return Scraped(handle, source.name, appended.new, appended.seen, stored)


@task(name="scrape", task_run_name="scrape @{handle}", **RETRY, **cached("scrape"))
def scrape_file(handle: Handle, path: str, content: str) -> Scraped:
    """Import an archive or a table; `content` is the file's digest, so that a change is seen."""
    del content
    return import_posts(handle, open_file_source(Path(path), handle))


def scrape(handle: Handle, path: str) -> Scraped:
    """Import a file unless exactly it has been imported and its posts are still there."""
    content = file_digest(Path(path))
    scraped = scrape_file(handle, path, content)
    if state(storage_root(), handle).rows < scraped.stored:
        scraped = scrape_file.with_options(refresh_cache=True)(handle, path, content)
    return scraped
