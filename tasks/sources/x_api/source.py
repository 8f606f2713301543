"""Posts from the X API. What X's terms say of that stands in `tasks/scrape_x.py`."""

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

MOST_POSTS = 3_200  # the newest of an account; X gives no older ones
# An account's posts come in 32 full pages; X sends short and empty ones too, but not for ever.
_MOST_PAGES = 1_000


class Bill(Protocol):
    """What one request brought, and X bills for: filled in by the source."""

    posts: int
    users: int


class _Free:
    """A bill that nobody reads."""

    posts = 0
    users = 0


# Called around each request with the most posts and users that it can bring. It may refuse by
# raising, and finds in the bill what came.
Pay = Callable[[int, int], AbstractContextManager[Bill]]


def _for_nothing(_posts: int, _users: int) -> AbstractContextManager[Bill]:
    return nullcontext(_Free())


class XApiSource:
    """The posts of one account on X.

    account: the account as it was last looked up, where that is known; else it is looked up.
    pay: see `Pay`; without it nothing is counted.
    """

    name = SOURCE

    def __init__(
        self,
        handle: Handle,
        client: XApiClient,
        *,
        account: Account | None = None,
        pay: Pay = _for_nothing,
    ) -> None:
        self.handle = handle
        self._client = client
        self._known = account
        self._pay = pay

    @cached_property
    def account(self) -> Account:
        """The account, looked up where it is not known, and fit to be read.

        Raises AccountUnavailable, BudgetExceeded or a transient error.
        """
        return self._known or self.look_up(None)

    def look_up(self, before: Account | None) -> Account:
        """Ask X for the account now; `before` is what it was when last asked.

        Raises AccountRenamed where the handle has gone to another account or to none, and
        otherwise as `account` does.
        """
        with self._pay(0, 1) as bill:
            found = self._client.account(self.handle)
            bill.users = 1
        if before is not None and found.id != before.id:
            raise AccountRenamed(
                f"@{self.handle}: the handle is another account's now: forget the handle, or "
                "use the new handle of the one that you meant"
            )
        if found.protected:
            raise AccountProtected(
                f"@{self.handle}: the posts are for followers only: leave the account out"
            )
        return found

    def follow(self, before: Account) -> Handle:
        """The handle that a known account has now; one user look-up. Raises as `account` does."""
        with self._pay(0, 1) as bill:
            found = self._client.account_by_id(before.id, self.handle)
            bill.users = 1
        return found.profile.handle

    def profile(self) -> Profile:
        """How the account shows itself. Raises as `account` does."""
        return self.account.profile

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """The posts newer than the post with this id, a page at a time, newest first.

        For None the 3,200 newest, which is all that X gives. Raises as `account` does.
        """
        for page in self.pages(since_id=newer_than):
            if page.posts:
                yield page.posts

    def pages(self, *, since_id: str | None = None, until_id: str | None = None) -> Iterator[Page]:
        """The pages between two posts, both exclusive, newest first.

        A page may hold fewer posts than were asked for, even none, and is still not the last:
        only a page without a next one is. Raises as `account` does.
        """
        token = None
        for _ in range(_MOST_PAGES):
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
            f"@{self.handle}: the X API names no last page after {_MOST_PAGES:,}: try again later"
        )
