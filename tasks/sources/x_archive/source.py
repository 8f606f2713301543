"""The archive that X gives an account's owner: today's format and the older one, "Grailbird"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tasks.core.errors import UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Post, Profile
from tasks.sources.dates import parse_date, snowflake_date
from tasks.sources.files.javascript import list_elements
from tasks.sources.findings import Findings, Tally
from tasks.sources.post_fields import earlier_versions, is_set, kind_of, language_of, text_of
from tasks.sources.source import in_batches
from tasks.sources.x_archive.index import ArchiveIndex
from tasks.sources.x_archive.long_posts import LongPosts
from tasks.sources.x_archive.owner import read_profile

_ID = re.compile(r"\d{1,20}", re.ASCII)


class XArchiveSource:
    """The posts of an X archive, read in place.

    index: its files. handle: whose archive it should be, or None to accept any; needed only if the
    archive does not name its owner. Raises UnreadableSource, BadInput.
    """

    name = "x_archive"

    def __init__(self, index: ArchiveIndex, handle: Handle | None = None) -> None:
        self._index = index
        self.findings = Findings()
        self._profile = read_profile(self._index, handle)

    @property
    def handle(self) -> Handle:
        """Whose posts these are."""
        return self._profile.handle

    def profile(self) -> Profile:
        """The account's name and avatar by the archive."""
        return self._profile

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """All posts, whatever `newer_than`: the lake knows which it has.

        The texts are as X wrote them, HTML escapes included. Raises UnreadableSource.
        """
        del newer_than
        names = self._index.long_posts
        long_posts = LongPosts(entry for name in names for _, entry in self._elements(name))
        posts = (post for name in self._index.posts for post in self._posts(name, long_posts))
        yield from in_batches(posts)

    def _elements(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        with self._index.files.open(name) as stream:
            yield from list_elements(stream, self._index.files.label(name))

    def _posts(self, name: str, long_posts: LongPosts) -> Iterator[Post]:
        for raw, element in self._elements(name):
            tweet = element.get("tweet", element)
            found = _id_and_text(tweet)
            if found is None:
                raise UnreadableSource(
                    f"{self._index.files.label(name)}: a post without a decimal id and a text "
                    f"({raw[:60]!r}): give the file as X made it"
                )
            if "deleted_at" not in tweet:
                yield self._post(*found, tweet, raw, long_posts)

    def _post(self, post_id: str, text: str, tweet: Any, raw: str, long_posts: LongPosts) -> Post:
        created_at = self._date(post_id, tweet.get("created_at"))
        self.findings.ids.add(Tally(1, 1))
        return Post(
            id=post_id,
            handle=self.handle,
            created_at=created_at,
            text=long_posts.full_text(post_id, text, created_at),
            lang=self._language(tweet.get("lang")),
            kind=kind_of(tweet, text),
            source=self.name,
            raw=raw,
            replaces=earlier_versions(tweet, post_id),
        )

    def _date(self, post_id: str, value: object) -> datetime | None:
        found = parse_date(value)
        if is_set(value):
            self.findings.dates.add(Tally(1, int(found is not None)))
        if found is None and (found := snowflake_date(post_id)):
            self.findings.dates_from_ids += 1
        return found

    def _language(self, value: object) -> str | None:
        found = language_of(value)
        if is_set(value):
            self.findings.languages.add(Tally(1, int(found is not None)))
        return found


def _id_and_text(tweet: Any) -> tuple[str, str] | None:
    if not isinstance(tweet, dict):
        return None
    post_id = str(tweet.get("id_str") or tweet.get("id"))
    text = text_of(tweet)
    if text is None or not _ID.fullmatch(post_id):
        return None
    return post_id, text
