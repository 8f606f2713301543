"""The posts of a Bluesky account, read from the public service without a login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tasks.core.errors import AccountProtected, ServerTrouble
from tasks.core.names import BlueskyHandle
from tasks.core.records import Post, Profile
from tasks.sources.bluesky.client import TIMEOUT, BlueskyClient
from tasks.sources.bluesky.feed import MalformedPost, post_of

MAX_POSTS = 3_200
PAGE = 100
MAX_PAGES = 4 * MAX_POSTS // PAGE  # pages may hold fewer posts than asked for
_LOGIN_REQUIRED = "!no-unauthenticated"


class BlueskySource:
    """The newest 3,200 posts and reposts of an account.

    base_url: of the service, None for Bluesky's public one. timeout: seconds, of every request.
    permit: called before each request, and may wait for a limit that all runs share.
    Ids are decimal and grow with time: the key of the post's record (a TID) as a number; its URI
    is in `raw`. An account whose owner wants a login for reading it counts as protected.
    """

    name = "bluesky"

    def __init__(
        self,
        handle: BlueskyHandle,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT,
        permit: Callable[[], None] = lambda: None,
    ) -> None:
        self._handle = handle
        self._permit = permit
        self._client = BlueskyClient(base_url, timeout)
        self._account: dict[str, Any] | None = None

    @property
    def handle(self) -> BlueskyHandle:
        """Whose posts these are."""
        return self._handle

    def profile(self) -> Profile:
        """The account's name and avatar. Raises AccountUnavailable, or a transient error."""
        account = self._known_account()
        name, avatar = account.get("displayName"), account.get("avatar")
        is_url = isinstance(avatar, str) and avatar.startswith("https://")
        shown = name if isinstance(name, str) and name.strip() else self._handle.name
        return Profile(self._handle, shown, avatar if is_url else None)

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """Posts newer than the post with this id (all for None), the newest first, page by page.

        The feed is read until a page holds nothing newer. A post that its author dated back by far
        is found only if the whole feed is read.
        Raises AccountUnavailable, SourceStopped or a transient error.
        """
        did, after = self._known_account()["did"], int(newer_than or 0)
        left = MAX_POSTS
        try:
            for elements in self._pages(did):
                posts = [self._post(element, did) for element in elements[:left]]
                left -= len(posts)
                if newer := [post for post in posts if int(post.id) > after]:
                    yield newer
                if left == 0 or (posts and not newer):
                    return
        finally:
            self._client.close()

    def _known_account(self) -> dict[str, Any]:
        if self._account is None:
            account = self._ask("app.bsky.actor.getProfile", actor=self._handle.name)
            if not isinstance(account.get("did"), str):
                raise self._malformed(f"a profile whose did is {str(account.get('did'))[:40]!r}")
            if _requires_login(account):
                raise AccountProtected(
                    f"@{self._handle}: its owner asks that only people with a login see it "
                    f"(label {_LOGIN_REQUIRED}): leave it out"
                )
            self._account = account
        return self._account

    def _pages(self, did: str) -> Iterator[list[Any]]:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self._page(did, cursor)
            elements, following = page.get("feed"), page.get("cursor")
            if not isinstance(elements, list) or not isinstance(following, str | None):
                raise self._malformed("a page without a feed, or a cursor that is not a string")
            yield elements
            if not following:
                return
            if following == cursor:
                raise self._malformed("the same cursor again")
            cursor = following
        raise self._malformed(f"{MAX_PAGES} pages of few posts without an end")

    def _page(self, did: str, cursor: str | None) -> dict[str, Any]:
        more = {} if cursor is None else {"cursor": cursor}
        method, wanted = "app.bsky.feed.getAuthorFeed", "posts_with_replies"
        return self._ask(method, actor=did, limit=PAGE, filter=wanted, **more)

    def _post(self, element: Any, did: str) -> Post:
        try:
            return post_of(element, self._handle, did, self.name)
        except MalformedPost as error:
            raise self._malformed(f"a post whose {error}") from error

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._permit()
        return self._client.ask(method, self._handle, params)

    def _malformed(self, seen: str) -> ServerTrouble:
        return ServerTrouble(f"@{self._handle}: Bluesky answered with {seen}: try later")


def _requires_login(account: dict[str, Any]) -> bool:
    labels = account.get("labels")
    return isinstance(labels, list) and any(
        isinstance(label, dict) and label.get("val") == _LOGIN_REQUIRED and not label.get("neg")
        for label in labels
    )
