"""The posts in the export of a Bluesky account's repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import BlueskyHandle, Handle
from tasks.core.records import Post
from tasks.sources.bluesky.feed import REPOST, MalformedPost, post_of, written_at
from tasks.sources.bluesky.repository import (
    MAX_EXPORT,
    Repository,
    is_repository,
    read_repository,
)
from tasks.sources.files.containers import SourceFiles
from tasks.sources.findings import Findings, Tally
from tasks.sources.recognised import Reading, Recognised
from tasks.sources.source import in_batches

SOURCE = "bluesky_export"
_POSTS, _REPOSTS = "app.bsky.feed.post/", "app.bsky.feed.repost/"
_LONGEST_START = 16


class BlueskyExportSource:
    """The posts and reposts in a `.car` file, with the same ids as Bluesky's API gives them.

    The file names its account by a DID only, so that the handle has to be given.
    Raises UnreadableSource, BadInput.
    """

    name = SOURCE

    def __init__(self, files: SourceFiles, name: str, handle: Handle | None) -> None:
        if handle is None:
            raise BadInput(f"{files.path}: an export of Bluesky names no handle: give --handle")
        if not isinstance(handle, BlueskyHandle):
            raise BadInput(
                f"{files.path}: is an export of Bluesky, and @{handle} is a handle of "
                f"{handle.service}: give one such as alice.bsky.social"
            )
        self.handle = handle
        self.findings = Findings()
        self._files = files
        self._name = name

    def profile(self) -> None:
        """The picture is not in the file, and the name is only worth something with it."""
        return

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """All posts, whatever `newer_than`: the lake knows which it has.

        Raises UnreadableSource.
        """
        del newer_than
        yield from in_batches(self._posts(self._read()))

    def _read(self) -> Repository:
        label = self._files.label(self._name)
        with self._files.open(self._name) as stream:
            content = stream.read(MAX_EXPORT + 1)
        if len(content) > MAX_EXPORT:
            raise UnreadableSource(
                f"{label}: over {MAX_EXPORT:,} bytes, more than is read of an export of Bluesky: "
                "fetch the account with --source bluesky"
            )
        return read_repository(content, label)

    def _posts(self, repository: Repository) -> Iterator[Post]:
        others = 0
        for key, record in repository.records():
            if not key.startswith((_POSTS, _REPOSTS)):
                others += 1
                continue
            yield self._post(key, record, repository)
        if others:
            self.findings.notices.append(f"left out records that are no posts: {others:,}")

    def _post(self, key: str, record: dict[str, Any], repository: Repository) -> Post:
        try:
            element = _element(key, _plain(record), repository.did)
            post = post_of(element, self.handle, repository.did, SOURCE)
        except MalformedPost as error:
            raise UnreadableSource(
                f"{repository.label}: the record {key[:80]!r} is no post ({error}): download the "
                "export again"
            ) from error
        self.findings.ids.add(Tally(1, 1))
        self.findings.dates.add(Tally(1, 1))
        if post.lang is not None:
            self.findings.languages.add(Tally(1, 1))
        return post


def recognise_bluesky_export(files: SourceFiles, reading: Reading) -> Recognised | None:
    """The `.car` file alone."""
    if reading.text or not files.alone:
        return None
    (name,) = files.names()
    with files.open(name) as stream:
        if not is_repository(stream.read(_LONGEST_START)):
            return None
    return Recognised(files, (name,), lambda handle: BlueskyExportSource(files, name, handle))


def _element(key: str, record: dict[str, Any], did: str) -> dict[str, Any]:
    """The record as an element of a feed, which has the same fields in more envelopes."""
    uri = f"at://{did}/{key}"
    at = written_at(uri, record.get("createdAt"), datetime.now(UTC)).isoformat()
    if key.startswith(_POSTS):
        author = {"did": did}
        return {"post": {"uri": uri, "author": author, "record": record, "indexedAt": at}}
    subject = record.get("subject")
    theirs = subject.get("uri") if isinstance(subject, dict) else None
    shown = {"uri": theirs, "author": {"did": ""}, "record": {**record, "text": theirs}}
    return {"post": shown, "reason": {"$type": REPOST, "uri": uri, "indexedAt": at}}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """The record as JSON: hashes are written in hexadecimal digits."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(record, default=_hexadecimal))
    except (ValueError, RecursionError, TypeError) as error:
        raise MalformedPost("it is nested too deeply") from error
    return plain


def _hexadecimal(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
