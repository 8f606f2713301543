"""The posts of one account from the X API. X's terms are in `tasks/ingest/x_scrape.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Protocol

from tasks.core.errors import AccountProtected, AccountRenamed, ServerTrouble
from tasks.core.names import Handle
from tasks.core.records import Account, Post, Profile
from tasks.sources.x_api.client import PAGE, XApiClient
from tasks.sources.x_api.responses import SOURCE, Page

MAX_POSTS = 3_200  # the newest of an account; X returns no older ones
# That is 32 full pages; X sends short and empty pages too, but not without end.
_MAX_PAGES = 1_000


class Bill(Protocol):
    """What X bills for one request: filled in by the source."""

    posts: int
    users: int


class _NoBill:
    """A bill that nobody reads."""

    posts = 0
    users = 0


# Entered around each request, with the most posts and users that it can return. It may refuse by
# raising; afterwards the bill says what was returned.
Pay = Callable[[int, int], AbstractContextManager[Bill]]


def _not_counted(_posts: int, _users: int) -> AbstractContextManager[Bill]:
    return nullcontext(_NoBill())


class XApiSource:
    """The posts of one account on X.

    account: the account as last looked up; None looks it up.
    pay: see `Pay`; by default nothing is counted.
    """

    name = SOURCE

    def __init__(
        self,
        handle: Handle,
        client: XApiClient,
        *,
        account: Account | None = None,
        pay: Pay = _not_counted,
    ) -> None:
        self.handle = handle
        self._client = client
        self._known = account
        self._pay = pay

    @cached_property
    def account(self) -> Account:
        """The account, looked up if it is not known.

        Raises AccountUnavailable, BudgetExceeded or a transient error.
        """
        return self._known or self.look_up(None)

    def look_up(self, before: Account | None) -> Account:
        """Look the account up now; `before` is the result of the last time.

        Raises AccountRenamed if the handle belongs to another account now, and otherwise as
        `account` does.
        """
        with self._pay(0, 1) as bill:
            found = self._client.account(self.handle)
            bill.users = 1
        if before is not None and found.id != before.id:
            raise AccountRenamed(
                f"@{self.handle}: the handle belongs to another account now: forget the handle, or "
                "use the new handle of the account that you meant"
            )
        if found.protected:
            raise AccountProtected(
                f"@{self.handle}: the posts are for followers only: leave the account out"
            )
        return found

    def follow(self, before: Account) -> Handle:
        """The present handle of a known account; one user look-up. Raises as `account` does."""
        with self._pay(0, 1) as bill:
            found = self._client.account_by_id(before.id, self.handle)
            bill.users = 1
        return found.profile.handle

    def profile(self) -> Profile:
        """The account's name and avatar. Raises as `account` does."""
        return self.account.profile

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """The posts newer than the post with this id, a page at a time, newest first.

        For None the 3,200 newest, which is all that X returns. Raises as `account` does.
        """
        for page in self.pages(since_id=newer_than):
            if page.posts:
                yield page.posts

    def pages(self, *, since_id: str | None = None, until_id: str | None = None) -> Iterator[Page]:
        """The pages between two posts, both exclusive, newest first.

        A page may hold fewer posts than asked for, even none, without being the last: only a page
        without a next token is. Raises as `account` does.
        """
        token = None
        for _ in range(_MAX_PAGES):
            with self._pay(PAGE, 0) as bill:
                page = self._client.page(
                    self.account, since_id=since_id, until_id=until_id, token=token
                )
                bill.posts = page.returned
            yield page
            if page.next_token is None:
                return
            token = page.next_token
        raise ServerTrouble(
            f"@{self.handle}: the X API names no last page after {_MAX_PAGES:,}: try again later"
        )
