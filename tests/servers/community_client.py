"""Clients of the stand-in for the Community Archive, and posts for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.sources.community_archive.client import CommunityArchiveClient
from tasks.sources.pace import Timeouts
from tests.servers.community_archive import KEY, Archive
from tests.servers.x_client import Clock

FIRST = datetime(2010, 1, 1, tzinfo=UTC)
_KINDS = (Kind.POST, Kind.POST, Kind.REPLY, Kind.RETWEET, Kind.QUOTE)


def client_of(
    archive: Archive, clock: Clock | None = None, timeouts: Timeouts | None = None
) -> CommunityArchiveClient:
    """The real client, asking the stand-in."""
    pace = (clock or Clock()).pace()
    return CommunityArchiveClient(SecretStr(KEY), archive.url, pace=pace, timeouts=timeouts)


def timeline(numbers: Iterable[int], handle: Handle) -> Iterator[Post]:
    """Posts of all kinds, some at the same instant; early ids are shorter than late ones."""
    for n in numbers:
        kind = _KINDS[n % len(_KINDS)]
        at = FIRST + timedelta(minutes=n - n % 3)
        start = "RT @bob: " if kind is Kind.RETWEET and n % 2 else ""
        text = f"{start}post number {n} &amp; more"
        yield Post(str(9_000 + n), handle, at, text, None, kind, "community_archive", "")
