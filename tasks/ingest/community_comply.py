"""Compliance with opt-outs: drop posts that the Community Archive does not serve any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from tasks.core.errors import AccountNotFound, ServerTrouble
from tasks.core.names import Handle
from tasks.ingest.community_scrape import delete_mark
from tasks.ingest.scrape_state import load_account
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import ids_from
from tasks.sources.community_archive.client import CommunityArchiveClient
from tasks.sources.community_archive.rows import SOURCE
from tasks.sources.community_archive.source import CommunityArchiveSource
from tasks.storage import Storage

_log = logging.getLogger("huggingtweets")


def drop_unserved(
    handle: Handle,
    client: CommunityArchiveClient,
    storage: Storage,
    before: Callable[[Collection[str]], object],
) -> tuple[int, int]:
    """Read all ids of an account again, and drop stored posts that are not among them.

    An owner who opts out disappears from the archive at once, with all posts. Posts from the
    owner's own archive stay. The next scrape then reads everything again: a post may have been
    missing only while its archive was replaced.
    before: called with the ids before the lake drops them. The lake comes last: after a crash it
    still says what to ask again.
    Returns how many posts were checked and dropped.
    Raises SourceStopped, StorageUnusable or a transient error.
    """
    stored = set(ids_from(storage, handle, SOURCE))
    served = _served_ids(handle, client, storage)
    gone = stored - served
    _log.info("@%s: %d posts checked, %d of them are gone", handle, len(stored), len(gone))
    if gone:
        before(gone)
        delete_mark(storage, handle)
        drop_posts(storage, handle, gone, source=SOURCE)
    return len(stored), len(gone)


def _served_ids(handle: Handle, client: CommunityArchiveClient, storage: Storage) -> set[str]:
    source = CommunityArchiveSource(handle, client)
    account = load_account(storage, handle, SOURCE)
    try:
        known = account or source.look_up(None).account
    except AccountNotFound:
        served = set()
    else:
        served = set(source.served(known.id))
    if not served and not source.serves_anyone():
        raise ServerTrouble(
            f"@{handle}: the Community Archive shows no account at all, so that nothing was "
            "dropped: try later"
        )
    return served
