"""What an answer of the X API means where it is not the posts: one of our errors.

X says the same thing in many ways: a missing account comes as 404, or as 200 with nothing but
`errors[]`; a suspended one carries the type of a missing one. So all words of all problems in the
body are looked at together, whatever the status.
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
    """An answer that is no posts.

    status: of HTTP; problems: the words of each problem that the body tells, lower-case.
    about: who was asked for, such as `@drob`; shown: what X said, for the message.
    is_foreign: whether the body is a page of somebody else's, as proxies send, and no JSON.
    """

    status: int
    problems: tuple[str, ...]
    about: str
    shown: str
    is_foreign: bool = False

    def says(self, *words: str) -> bool:
        """Whether one of the words is in one of the problems."""
        return any(word in problem for problem in self.problems for word in words)


def parsed(body: bytes, about: str) -> dict[str, Any]:
    """The JSON object that an answer is. Raises ServerTrouble."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServerTrouble(
            f"{about}: the X API answered with something that is no JSON: try again later"
        ) from error
    if not isinstance(value, dict):
        raise ServerTrouble(f"{about}: the X API answered in a shape of its own: try again later")
    return value


def refusal_of(answer: requests.Response, about: str) -> Refusal:
    """What an answer with an error's status says; the body may be anything."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        is_foreign = bool(answer.content.strip())
        return Refusal(answer.status_code, (), about, "no reason given", is_foreign)
    return refusal_in(answer.status_code, body, about)


def refusal_in(status: int, body: object, about: str) -> Refusal:
    """What the problems in a body say, whatever shape they have."""
    problems = list(_problems(body))
    words = tuple(" | ".join(problem.values()).lower() for problem in problems)
    shown = next((_told(problem) for problem in problems), "no reason given")
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


def _told(problem: dict[str, str]) -> str:
    """The fullest words of a problem as one printable line."""
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
    """Our error for an answer that is no posts, but for a rate limit (see `limit_of`)."""
    return _of_the_source(refusal) or _of_the_account(refusal) or _other(refusal)


def _of_the_source(refusal: Refusal) -> HuggingtweetsError | None:
    if refusal.status == 402 or refusal.says("usage-capped", "usagecap", "creditsdepleted"):
        return SourceExhausted(
            f"{refusal.about}: the X API gives no more posts ({refusal.shown}): "
            "buy credits or wait for the next month"
        )
    refused = refusal.says("client-forbidden", "client-not-enrolled", "unsupported-authentication")
    if refused or (refusal.status == 401 and _of_the_account(refusal) is None):
        return TokenRefused(
            f"{refusal.about}: the X API refuses the token ({refusal.shown}): "
            "check HUGGINGTWEETS_X_BEARER_TOKEN and the rights of its app"
        )
    return None


def _of_the_account(refusal: Refusal) -> HuggingtweetsError | None:
    about = refusal.about
    if refusal.says("suspended"):
        return AccountSuspended(f"{about}: X has suspended the account: leave it out")
    if refusal.says("not-authorized-for-resource", "authorization error", "not authorized"):
        return AccountProtected(f"{about}: the posts are for followers only: leave the account out")
    missing = refusal.says("resource-not-found", "not found error", "could not find user")
    if missing or (refusal.status == 404 and not refusal.is_foreign):
        return AccountNotFound(f"{about}: X knows no such account: check the handle")
    if (refusal.status == 403 and not refusal.is_foreign) or refusal.says("forbidden"):
        return AccountUnavailable(
            f"{about}: X does not give the posts ({refusal.shown}): leave the account out"
        )
    return None


def _other(refusal: Refusal) -> HuggingtweetsError:
    if refusal.status == 400:
        return BadInput(
            f"{refusal.about}: the X API does not understand the request ({refusal.shown}): "
            "look for a newer huggingtweets"
        )
    return ServerTrouble(
        f"{refusal.about}: the X API answered {refusal.status} ({refusal.shown}): try again later"
    )


def limit_of(answer: requests.Response, about: str, now: float) -> RateLimited:
    """The rate limit that an answer with status 429 tells, with the time when it ends.

    now: seconds since 1970. A time that is missing, past by a window or further off than a day is
    no time: then a whole window is waited for.
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
