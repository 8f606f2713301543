"""Requests to the X API, repeated where that helps: one method for each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from tasks.core.errors import NetworkTrouble, ServerTrouble, SourceStopped
from tasks.core.names import Handle
from tasks.core.records import Account
from tasks.sources.pace import Pace, Timeouts, with_retries
from tasks.sources.x_api.recheck import Recheck, recheck_from
from tasks.sources.x_api.refusals import error_of, limit_of, parsed, refusal_of
from tasks.sources.x_api.responses import Page, account_from, page_from

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
PAGE = 100  # posts, the most that one request returns
# Lists, not tuples: tweepy turns a tuple into repeated parameters, which X refuses.
_POST_FIELDS = [
    "note_tweet",
    "referenced_tweets",
    "entities",
    "created_at",
    "lang",
    "public_metrics",
    "in_reply_to_user_id",
    "conversation_id",
    "edit_history_tweet_ids",
]
_USER_FIELDS = ["name", "profile_image_url", "protected", "public_metrics"]
# What tweepy raises over the bodies of errors; the response is then read here.
_TWEEPY_ERRORS = (AttributeError, TypeError, ValueError, RecursionError)


class XApiClient:
    """The X API v2 through tweepy, with our retries, bounds and errors.

    Server errors, broken responses and timeouts are retried with growing pauses. A pause that X
    asks for is kept if it is at most a minute, and else raised as RateLimited with its
    `next_attempt_at`. Every method raises only errors of `tasks/core/errors.py`.

    address: base URL, if not X's. Raises BadInput, TokenRefused.
    """

    def __init__(
        self,
        token: SecretStr,
        address: str | None = None,
        *,
        pace: Pace | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        import requests
        import tweepy

        from tasks.sources.x_api.transport import TWEEPY_HOST, XTransport

        self._pace = pace or Pace()
        self._transport = XTransport(token, address, timeouts or Timeouts())
        self._tweepy_errors = (tweepy.TweepyException, *_TWEEPY_ERRORS)
        # The transport adds the token; see there.
        self._tweepy = tweepy.Client("hidden", return_type=requests.Response)
        self._tweepy.session.max_redirects = 0
        self._tweepy.session.mount(TWEEPY_HOST, self._transport)

    def account(self, handle: Handle) -> Account:
        """The account that has a handle now; one user look-up."""
        return self._request(
            f"@{handle}",
            lambda: self._tweepy.get_user(username=handle.name, user_fields=_USER_FIELDS),
            lambda body: account_from(body, handle, self._today()),
        )

    def account_by_id(self, user_id: str, handle: Handle) -> Account:
        """The account with an id, whose handle was `handle` when last seen; one user look-up."""
        return self._request(
            f"@{handle}",
            lambda: self._tweepy.get_user(id=user_id, user_fields=_USER_FIELDS),
            lambda body: account_from(body, handle, self._today()),
        )

    def page(
        self,
        account: Account,
        *,
        since_id: str | None = None,
        until_id: str | None = None,
        token: str | None = None,
    ) -> Page:
        """A page of an account's posts, newest first, between two ids, both exclusive.

        token: the `next_token` of the page before.
        """
        handle = account.profile.handle
        return self._request(
            f"@{handle}",
            lambda: self._tweepy.get_users_tweets(
                account.id,
                max_results=PAGE,
                tweet_fields=_POST_FIELDS,
                since_id=since_id,
                until_id=until_id,
                pagination_token=token,
            ),
            lambda body: page_from(body, handle),
        )

    def recheck(self, ids: Sequence[str], handle: Handle) -> Recheck:
        """Whether X still shows up to 100 posts; each that it shows is billed."""
        return self._request(
            f"@{handle}",
            lambda: self._tweepy.get_tweets(list(ids)),
            lambda body: recheck_from(body, ids, handle),
        )

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self._pace.now(), UTC)

    def _request(
        self, about: str, ask: Callable[[], requests.Response], read: Callable[[dict[str, Any]], T]
    ) -> T:
        return with_retries(self._pace, lambda: read(self._body(about, ask)))

    def _body(self, about: str, ask: Callable[[], requests.Response]) -> dict[str, Any]:
        answer = self._answer(about, ask)
        if answer.status_code == 200:
            return parsed(answer.content, about)
        error = error_of(refusal_of(answer, about))
        if answer.status_code == 429 and not isinstance(error, SourceStopped):
            raise limit_of(answer, about, self._pace.now())
        raise error

    def _answer(self, about: str, ask: Callable[[], requests.Response]) -> requests.Response:
        import requests

        self._pace.permit()
        self._transport.answer = None
        try:
            return ask()
        except requests.exceptions.TooManyRedirects as error:
            raise ServerTrouble(
                f"{about}: the X API redirects elsewhere: check HUGGINGTWEETS_X_API_URL"
            ) from error
        except (requests.RequestException, *self._tweepy_errors) as error:
            if self._transport.answer is not None:
                return self._transport.answer
            raise NetworkTrouble(
                f"{about}: no complete response from the X API ({type(error).__name__}): "
                "check the network, or try again later"
            ) from error
