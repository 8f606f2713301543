"""Bring an account's posts from a source into the lake."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from prefect import task
from prefect.runtime import flow_run

from tasks.core.errors import BadInput
from tasks.core.names import BlueskyHandle, Bot, Handle
from tasks.core.settings import settings
from tasks.ingest.bluesky_scrape import scrape_from_bluesky
from tasks.ingest.community_scrape import open_community_archive, scrape_from_community
from tasks.ingest.imported_files import is_imported, save_import
from tasks.ingest.importing import Scraped, import_posts
from tasks.ingest.services import (
    BLUESKY,
    COMMUNITY_ARCHIVE,
    SERVICES,
    X_API,
    refuse_foreign,
)
from tasks.ingest.x_scrape import open_budget, open_client, scrape_account
from tasks.lake.posts import state
from tasks.orchestration.limits import ensure_limits, permit, scraping_place
from tasks.orchestration.policies import RETRY, UNCACHED
from tasks.sources.bluesky.source import BlueskySource
from tasks.sources.file_sources import file_digest, open_file_source
from tasks.sources.pace import Pace
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out

log = logging.getLogger("huggingtweets")


@task(name="scrape", task_run_name="scrape @{handle}", **UNCACHED)
def scrape_file(handle: Handle, path: str, content: str) -> Scraped:
    """Import an archive or a table; content: the file's digest."""
    source = open_file_source(Path(path), handle)
    scraped = import_posts(handle, source, Path(path))
    for notice in source.findings.notices:
        log.warning("@%s: %s", handle, notice)
    save_import(storage_root(), handle, content, scraped.stored)
    return _logged(scraped)


@task(name="scrape", task_run_name="scrape @{handle} from {service}", **RETRY)
def scrape_service(handle: Handle, service: str) -> Scraped:
    """Fetch what is new of an account from one of `SERVICES`."""
    refuse_foreign(handle, service)
    ensure_limits(service)
    fetch_from = {COMMUNITY_ARCHIVE: _from_community, X_API: _from_x, BLUESKY: _from_bluesky}
    with scraping_place(service):
        return _logged(fetch_from[service](handle))


def _logged(scraped: Scraped) -> Scraped:
    log.info("@%s: %d posts, %d of them new", scraped.handle, scraped.seen, scraped.new)
    return scraped


def _from_x(handle: Handle) -> Scraped:
    pace = service_pace(handle, X_API)
    client = open_client(settings(), pace)
    budget = open_budget(storage_root(), settings(), run_with_budget(), pace)
    found = scrape_account(handle, client, budget)
    return Scraped(handle, X_API, found.new, found.seen, found.stored)


def _from_community(handle: Handle) -> Scraped:
    client = open_community_archive(settings(), service_pace(handle, COMMUNITY_ARCHIVE))
    storage = storage_root()
    try:
        found = scrape_from_community(handle, client, storage, run_with_budget())
    finally:
        client.close()
    stored = state(storage, handle).rows
    return Scraped(handle, COMMUNITY_ARCHIVE, found.new, found.seen, stored)


def service_pace(handle: Handle, service: str) -> Pace:
    """How a service is asked within a run: under the shared rate, with every pause counted down."""

    def countdown(seconds: float) -> None:
        log.info("@%s: %s asked for a pause, %.0f s left", handle, service, seconds)

    return Pace(permit=partial(permit, service), countdown=countdown)


def run_with_budget() -> str:
    """The name under which a run's spending is kept: of the whole batch, so that it has one."""
    return str(flow_run.root_flow_run_id or flow_run.id)


def _from_bluesky(handle: Handle) -> Scraped:
    assert isinstance(handle, BlueskyHandle)  # noqa: S101 - `refuse_foreign` has seen to it
    storage = storage_root()
    source = BlueskySource(handle, settings().bluesky_url, permit=partial(permit, BLUESKY))
    found = scrape_from_bluesky(handle, source, storage)
    return Scraped(handle, BLUESKY, found.new, found.seen, state(storage, handle).rows)


def fetch(bot: Bot, sources: Mapping[str, str]) -> dict[str, str]:
    """Bring in the posts of a bot's handles; returns the digests of their files, by handle.

    sources: by handle, the path of a file or the name of a service. A handle without one lives on
        the posts that are stored, and a file that is imported already is not read again.
    Raises BadInput for a handle that is not the bot's, OptedOut, and what the sources raise.
    """
    handles = {handle.name: handle for handle in bot.handles}
    if unknown := sorted(sources.keys() - handles.keys()):
        raise BadInput(f"@{bot}: sources are given for {', '.join(unknown)}, not handles of it")
    files = {}
    for name, source in sources.items():
        handle = handles[name]
        refuse_opted_out(storage_root(), handle)
        if source in SERVICES:
            scrape_service(handle, source)
            continue
        files[name] = content = file_digest(Path(source))
        if not is_imported(storage_root(), handle, content):
            scrape_file(handle, source, content)
    return files
