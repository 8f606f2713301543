"""The posts of one account from the Community Archive.

The archive holds timelines of X whose owners uploaded them so that others may use them. An owner
can opt out at any time, and the posts then disappear from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tasks.core.errors import (
    AccountNotFound,
    AccountRenamed,
    AccountUnavailable,
    ServerTrouble,
)
from tasks.core.names import Handle
from tasks.core.records import Account, Post
from tasks.sources.community_archive.client import CommunityArchiveClient, Parameters
from tasks.sources.community_archive.rows import (
    ACCOUNT_COLUMNS,
    POST_COLUMNS,
    SOURCE,
    FoundAccount,
    MalformedRow,
    Place,
    account_of,
    place_of,
    post_of,
)

T = TypeVar("T")
PAGE = 1_000  # posts, the most that one request returns
_SAME_NAME = 10  # accounts that had a handle one after the other
_MAX_PAGES = 3_000
_ORDER = ("order", "created_at.asc,tweet_id.asc")


_Rows = list[tuple[Place, dict[str, Any]]]


@dataclass(frozen=True)
class Page:
    """One page of a timeline, oldest post first.

    posts: those after the place that was asked for; last: the place of the last of them, or None
        if there are none. is_empty: whether not even the post at that place was returned.
    """

    posts: list[Post]
    last: Place | None
    is_empty: bool


class CommunityArchiveSource:
    """The posts of one account in the Community Archive; handles of X only."""

    name = SOURCE

    def __init__(self, handle: Handle, client: CommunityArchiveClient) -> None:
        self.handle = handle
        self._client = client

    def look_up(self, before: Account | None) -> FoundAccount:
        """The account that has the handle now; `before` is the result of the last time.

        Raises AccountNotFound, AccountRenamed, AccountUnavailable, SourceStopped or a transient
        error.
        """
        # `_` stands for any character in a pattern, and the archive keeps capitals.
        pattern = self.handle.name.replace("_", r"\_")
        found = self._accounts(("username", f"ilike.{pattern}"))
        ours = [each for each in found if each.username == self.handle.name]
        if before is not None:
            return self._same(ours, before)
        if len(ours) > 1:
            ids = ", ".join(each.account.id for each in ours)
            raise AccountUnavailable(
                f"@{self.handle}: the Community Archive has several accounts of this handle "
                f"({ids}): import the archive of the one that you mean"
            )
        if not ours:
            raise AccountNotFound(
                f"@{self.handle}: the Community Archive does not have this account: check the "
                "spelling, or take another source"
            )
        return ours[0]

    def _same(self, ours: list[FoundAccount], before: Account) -> FoundAccount:
        for each in ours:
            if each.account.id == before.id:
                return each
        now = self._accounts(("account_id", f"eq.{before.id}"))
        if ours:
            raise AccountRenamed(
                f"@{self.handle}: the handle belongs to another account now: forget the handle, or "
                "use the new handle of the account that you meant"
            )
        if now and now[0].username:
            raise AccountRenamed(
                f"@{self.handle}: the account is @{now[0].username} now: use that handle"
            )
        raise AccountNotFound(
            f"@{self.handle}: the account has left the Community Archive: run `huggingtweets "
            f"comply {self.handle}`, which drops its posts here too"
        )

    def pages(self, account: Account, after: Place | None) -> Iterator[Page]:
        """The posts of an account after a place (all for None), oldest first.

        The first page is asked for from the place on, that post included, so that one that is
        empty shows that the post has left the archive. Every page but the last holds posts, and
        the archive may make it shorter than asked for.
        Raises SourceStopped or a transient error.
        """
        for is_empty, rows in self._timeline(account.id, POST_COLUMNS, after):
            posts = [self._read(post_of, row, self.handle) for _, row in rows]
            yield Page(posts, rows[-1][0] if rows else None, is_empty)

    def served(self, account_id: str) -> Iterator[str]:
        """The ids of all posts of an account. Raises SourceStopped or a transient error."""
        for _, rows in self._timeline(account_id, "tweet_id,created_at", None):
            yield from (place.post_id for place, _ in rows)

    def serves_anyone(self) -> bool:
        """Whether the archive shows any account at all: else its silence says nothing."""
        wanted = [("select", "account_id"), ("limit", "1")]
        return bool(self._client.rows("all_account", wanted, self.handle))

    def _accounts(self, condition: tuple[str, str]) -> list[FoundAccount]:
        wanted = [("select", ACCOUNT_COLUMNS), condition, ("limit", str(_SAME_NAME))]
        now = datetime.fromtimestamp(self._client.pace.now(), UTC)
        rows = self._client.rows("all_account", wanted, self.handle)
        return [self._read(account_of, row, self.handle, now) for row in rows]

    def _timeline(
        self, account_id: str, columns: str, after: Place | None
    ) -> Iterator[tuple[bool, _Rows]]:
        """Pages of rows after a place, until one has none: whether it was empty, and these rows."""
        place, conditions = after, _from(after)
        for _ in range(_MAX_PAGES):
            wanted = [("select", columns), ("account_id", f"eq.{account_id}"), *conditions]
            limit = ("limit", str(PAGE))
            found = self._client.rows("tweets", [*wanted, _ORDER, limit], self.handle)
            placed = sorted(
                ((self._read(place_of, row), row) for row in found), key=lambda each: each[0]
            )
            rows = [each for each in placed if place is None or each[0] > place]
            yield not found, rows
            if not rows:
                return
            place = rows[-1][0]
            conditions = _after(place)
        raise ServerTrouble(
            f"@{self.handle}: the Community Archive names no end after {_MAX_PAGES:,} pages: try "
            "later"
        )

    def _read(self, read: Callable[..., T], row: Mapping[str, Any], *more: object) -> T:
        try:
            return read(row, *more)
        except MalformedRow as error:
            raise ServerTrouble(
                f"@{self.handle}: the Community Archive sent a row whose {error}: try later"
            ) from error


def _from(place: Place | None) -> Parameters:
    return () if place is None else (("created_at", f"gte.{place.created_at.isoformat()}"),)


def _after(place: Place) -> Parameters:
    """What follows a place in the order by date and id, both as the database compares them."""
    at = place.created_at.isoformat()
    # The first condition alone is what the database has an index for.
    return (*_from(place), ("or", f'(created_at.gt."{at}",tweet_id.gt.{place.post_id})'))
