"""What a visitor wants a bot made of: files that were uploaded, and accounts at services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.core.names import BlueskyHandle, Handle
from tasks.core.records import Post, Profile
from tasks.core.settings import settings
from tasks.ingest.community_scrape import open_community_archive
from tasks.ingest.services import BLUESKY, COMMUNITY_ARCHIVE, refuse_foreign
from tasks.sources.bluesky.source import BlueskySource
from tasks.sources.community_archive.source import CommunityArchiveSource
from tasks.sources.file_sources import open_file_source
from tasks.sources.findings import Findings
from tasks.sources.recognised import Reading
from tasks.sources.source import FileSource, Source

_HandleText = Annotated[str, Field(min_length=1, max_length=2_000)]


class FromFile(BaseModel):
    """A file that was uploaded; the rest is as `huggingtweets import` takes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    upload: Annotated[str, Field(max_length=100)]
    handle: _HandleText | None = None
    text: bool = False
    day_first: bool | None = None
    columns: Annotated[dict[str, Annotated[str, Field(max_length=200)]], Field(max_length=20)] = {}


class FromService(BaseModel):
    """An account at a service that needs no money."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Literal["bluesky", "community_archive"]
    handle: _HandleText


class UsedFile(BaseModel):
    """A `FromFile` with the path that its upload has."""

    path: Path
    asked: FromFile

    def open(self) -> FileSource:
        """The file as a source. Raises BadInput, UnreadableSource."""
        asked = self.asked
        handle = Handle.parse(asked.handle) if asked.handle else None
        return open_file_source(
            self.path, handle, Reading(asked.text, asked.columns, asked.day_first)
        )


class FirstPage:
    """The first page of an account's posts at a service, as a source of its own."""

    def __init__(self, source: Source, posts: Iterator[list[Post]]) -> None:
        self._source, self._posts = source, posts
        self.name, self.handle, self.findings = source.name, source.handle, Findings()

    def profile(self) -> Profile | None:
        """The account's name and avatar, or None."""
        return self._source.profile()

    def batches(self, _newer_than: str | None) -> Iterator[list[Post]]:
        """The page; no second one is asked for."""
        if (page := next(self._posts, None)) is not None:
            yield page


def first_page(asked: FromService) -> FirstPage:
    """What a service shows of an account at first. Raises AccountUnavailable, TransientError."""
    handle = checked_handle(asked)
    if asked.service == COMMUNITY_ARCHIVE:
        archive = CommunityArchiveSource(handle, open_community_archive(settings()))
        found = archive.look_up(None)
        pages = (page.posts for page in archive.pages(found.account, None))
        return FirstPage(_WithProfile(archive, found.account.profile), pages)
    assert isinstance(handle, BlueskyHandle)  # noqa: S101 - `refuse_foreign` has seen to it
    source = BlueskySource(handle, settings().bluesky_url)
    return FirstPage(source, source.batches(None))


class _WithProfile:
    def __init__(self, source: CommunityArchiveSource, profile: Profile) -> None:
        self.name, self.handle, self._profile = source.name, source.handle, profile

    def profile(self) -> Profile:
        return self._profile

    def batches(self, _newer_than: str | None) -> Iterator[list[Post]]:
        raise NotImplementedError


def checked_handle(asked: FromService) -> Handle:
    """The handle, where the service can have it and can be asked. Raises BadInput, TokenRefused."""
    handle = Handle.parse(asked.handle)
    refuse_foreign(handle, asked.service)
    if asked.service == COMMUNITY_ARCHIVE:
        open_community_archive(settings()).close()
    return handle


def parse_source(given: dict[str, Any]) -> UsedFile | FromService:
    """A source as it was dumped for a child process."""
    return UsedFile(**given) if "path" in given else FromService(**given)


SERVICES = {BLUESKY: "Bluesky", COMMUNITY_ARCHIVE: "Community Archive"}
