"""The posts of a Mastodon archive, read in place and one by one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.errors import UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Post, Profile
from tasks.sources.files.containers import SourceFiles
from tasks.sources.files.javascript import CHUNK, listed_elements, read_value
from tasks.sources.findings import Findings, Tally
from tasks.sources.mastodon.activities import SOURCE, author_of, is_public, post_of
from tasks.sources.mastodon.owner import checked_owner, owner_of
from tasks.sources.source import in_batches

ITEMS = "orderedItems"
_log = logging.getLogger("huggingtweets")
_LONGEST_NAME = 300
_OTHERS = ("Add", "Delete", "Follow", "Like", "Move", "Remove", "Undo", "Update")


class MastodonArchiveSource:
    """The public posts and boosts of an account, from its `outbox.json`.

    Posts for followers only and messages to single people are never read. outbox, actor: names
    among the files; actor is None for an outbox alone. Raises UnreadableSource, BadInput.
    """

    name = SOURCE

    def __init__(
        self, files: SourceFiles, outbox: str, actor: str | None, wanted: Handle | None
    ) -> None:
        self._files = files
        self._outbox = outbox
        self._about = self._read_actor(actor) if actor else {}
        first = next(self._activities(), ("", {}))[1]
        post = first.get("object")
        url = post.get("url") if isinstance(post, dict) else None
        self._author = author_of(first)
        found = owner_of(self._about, self._author, url if isinstance(url, str) else "")
        self._handle = checked_owner(files.path, found, wanted)
        self.findings = Findings()

    @property
    def handle(self) -> Handle:
        """Whose posts these are."""
        return self._handle

    def profile(self) -> Profile | None:
        """The account's name, None for an outbox alone; the picture lies in the archive only."""
        name = self._about.get("name")
        if not self._about:
            return None
        shown = name[:_LONGEST_NAME] if isinstance(name, str) and name.strip() else ""
        return Profile(self._handle, shown or self._handle.written)

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """All public posts, whatever `newer_than`: the lake knows which it has.

        Raises UnreadableSource.
        """
        del newer_than
        yield from in_batches(self._posts())

    def _posts(self) -> Iterator[Post]:
        left_out: Counter[str] = Counter()
        for raw, activity in self._activities():
            if author_of(activity) != self._author:
                raise UnreadableSource(
                    f"{self._files.label(self._outbox)}: holds something of "
                    f"{author_of(activity)[:80]!r} beside that of {self._author[:80]!r}: give the "
                    "archive as it was downloaded"
                )
            if not is_public(activity):
                left_out["what is for followers or single people"] += 1
            elif (post := post_of(activity, self._handle, raw)) is not None:
                self._count(post)
                yield post
            else:
                left_out[_other(activity)] += 1
        for what, number in left_out.items():
            _log.info("@%s: left out %s: %d", self._handle, what, number)
            self.findings.notices.append(f"left out {what}: {number:,}")

    def _count(self, post: Post) -> None:
        self.findings.ids.add(Tally(1, 1))
        self.findings.dates.add(Tally(1, int(post.created_at is not None)))
        if post.lang is not None:
            self.findings.languages.add(Tally(1, 1))

    def _activities(self) -> Iterator[tuple[str, dict[str, Any]]]:
        with self._files.open(self._outbox) as stream:
            yield from listed_elements(stream, self._files.label(self._outbox), ITEMS)
            while stream.read(CHUNK):
                pass  # zipfile compares the checksum at the end

    def _read_actor(self, name: str) -> Mapping[str, Any]:
        with self._files.open(name) as stream:
            value = read_value(stream, self._files.label(name))
        return value if isinstance(value, dict) else {}


def _other(activity: Mapping[str, Any]) -> str:
    kind = activity.get("type")
    return f"activities of the type {kind}" if kind in _OTHERS else "activities without a post"
