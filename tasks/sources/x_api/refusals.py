"""Error responses of the X API as our errors.

X reports the same error in many ways: a missing account as 404, or as 200 with nothing but
`errors[]`; a suspended one with the type of a missing one. So all words of all problems in the
body are searched, whatever the status.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.core.errors import (
    AccountNotFound,
    AccountProtected,
    AccountSuspended,
    AccountUnavailable,
    BadInput,
    HuggingtweetsError,
    RateLimited,
    ServerTrouble,
    SourceExhausted,
    TokenRefused,
)

if TYPE_CHECKING:
    import requests

DAY = 86_400.0
WINDOW = 900.0  # X counts requests in windows of 15 minutes
_WORDS = ("type", "title", "detail", "message", "error", "reason")
_SHOWN = 160


@dataclass(frozen=True)
class Refusal:
    """A response with an error.

    status: of HTTP; problems: the words of each problem in the body, lower-case.
    about: whom the request was about, such as `@drob`; shown: what X said, for the message.
    is_foreign: whether the body is not JSON, such as the page of a proxy.
    """

    status: int
    problems: tuple[str, ...]
    about: str
    shown: str
    is_foreign: bool = False

    def says(self, *words: str) -> bool:
        """Whether one of the problems contains one of the words."""
        return any(word in problem for problem in self.problems for word in words)


def parsed(body: bytes, about: str) -> dict[str, Any]:
    """The JSON object in a response. Raises ServerTrouble."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServerTrouble(
            f"{about}: the X API answered with something other than JSON: try again later"
        ) from error
    if not isinstance(value, dict):
        raise ServerTrouble(f"{about}: the X API answered with no JSON object: try again later")
    return value


def refusal_of(answer: requests.Response, about: str) -> Refusal:
    """The refusal in a response with an error status; its body may be anything."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        is_foreign = bool(answer.content.strip())
        return Refusal(answer.status_code, (), about, "no reason given", is_foreign)
    return refusal_in(answer.status_code, body, about)


def refusal_in(status: int, body: object, about: str) -> Refusal:
    """The refusal in a body; its problems may have any format."""
    problems = list(_problems(body))
    words = tuple(" | ".join(problem.values()).lower() for problem in problems)
    shown = next((_sentence(problem) for problem in problems), "no reason given")
    return Refusal(status, words, about, shown)


def _problems(body: object) -> Iterator[dict[str, str]]:
    if isinstance(body, list):
        for entry in body:
            yield from _problems_of(entry)
    elif isinstance(body, dict):
        errors = body.get("errors")
        for entry in errors if isinstance(errors, list) else [errors]:
            yield from _problems_of(entry)
        yield from _problems_of(body)


def _problems_of(entry: object) -> Iterator[dict[str, str]]:
    if isinstance(entry, str):
        entry = {"message": entry}
    if isinstance(entry, Mapping):
        words = {name: entry[name] for name in _WORDS if isinstance(entry.get(name), str)}
        if words:
            yield words


def _sentence(problem: dict[str, str]) -> str:
    """A problem's most detailed text as one printable line."""
    said = next(
        (
            problem[name]
            for name in ("detail", "message", "error", "title", "reason")
            if problem.get(name)
        ),
        problem.get("type", ""),
    )
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line[:_SHOWN] or "no reason given"


def error_of(refusal: Refusal) -> HuggingtweetsError:
    """Our error for a refusal other than a rate limit (see `limit_of`)."""
    return _source_error(refusal) or _account_error(refusal) or _other_error(refusal)


def _source_error(refusal: Refusal) -> HuggingtweetsError | None:
    if refusal.status == 402 or refusal.says("usage-capped", "usagecap", "creditsdepleted"):
        return SourceExhausted(
            f"{refusal.about}: the X API returns no more posts ({refusal.shown}): "
            "buy credits or wait for the next month"
        )
    refused = refusal.says("client-forbidden", "client-not-enrolled", "unsupported-authentication")
    if refused or (refusal.status == 401 and _account_error(refusal) is None):
        return TokenRefused(
            f"{refusal.about}: the X API refuses the token ({refusal.shown}): "
            "check HUGGINGTWEETS_X_BEARER_TOKEN and the rights of its app"
        )
    return None


def _account_error(refusal: Refusal) -> HuggingtweetsError | None:
    about = refusal.about
    if refusal.says("suspended"):
        return AccountSuspended(f"{about}: X has suspended the account: leave it out")
    if refusal.says("not-authorized-for-resource", "authorization error", "not authorized"):
        return AccountProtected(f"{about}: the posts are for followers only: leave the account out")
    missing = refusal.says("resource-not-found", "not found error", "could not find user")
    if missing or (refusal.status == 404 and not refusal.is_foreign):
        return AccountNotFound(f"{about}: X has no such account: check the handle")
    if (refusal.status == 403 and not refusal.is_foreign) or refusal.says("forbidden"):
        return AccountUnavailable(
            f"{about}: X does not return the posts ({refusal.shown}): leave the account out"
        )
    return None


def _other_error(refusal: Refusal) -> HuggingtweetsError:
    if refusal.status == 400:
        return BadInput(
            f"{refusal.about}: the X API does not understand the request ({refusal.shown}): "
            "look for a newer huggingtweets"
        )
    return ServerTrouble(
        f"{refusal.about}: the X API answered {refusal.status} ({refusal.shown}): try again later"
    )


def limit_of(answer: requests.Response, about: str, now: float) -> RateLimited:
    """The rate limit in a response with status 429, with the time when it ends.

    now: seconds since 1970. A time that is missing, a window or more in the past or over a day
    ahead is not believed: then the limit ends after a whole window.
    """
    reset = _number(answer.headers.get("x-rate-limit-reset"))
    after = _number(answer.headers.get("retry-after"))
    end = reset if reset is not None else None if after is None else now + after
    if end is None or not now - WINDOW < end < now + DAY:
        end = now + WINDOW
    at = datetime.fromtimestamp(math.ceil(end), UTC)
    return RateLimited(
        f"{about}: the X API asks for a pause until {at:%Y-%m-%d %H:%M:%S} UTC: run it again then",
        next_attempt_at=at,
    )


def _number(header: str | None) -> float | None:
    try:
        value = float(header or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
