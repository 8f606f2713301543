"""Which of some stored posts X no longer shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import AccountUnavailable, ServerTrouble
from tasks.core.names import Handle
from tasks.sources.x_api.refusals import error_of, refusal_in


@dataclass(frozen=True)
class Recheck:
    """What X says about some posts.

    shown: how many it returned, which is what it bills.
    gone: ids of posts that it reports as deleted, protected or suspended. A post that it does not
        mention is not gone.
    """

    shown: int
    gone: frozenset[str]


def recheck_from(body: Mapping[str, Any], ids: Iterable[str], handle: Handle) -> Recheck:
    """What a response says about the posts with these ids. Raises any HuggingtweetsError."""
    about = f"@{handle}"
    shown, problems = body.get("data", []), body.get("errors", [])
    if not isinstance(shown, list) or not isinstance(problems, list) or not (shown or problems):
        raise ServerTrouble(f"{about}: the X API sent posts in an unknown format: try again later")
    asked = frozenset(ids)
    errors = {_post_of(each): error_of(refusal_in(200, each, about)) for each in problems}
    if not shown and not asked.intersection(filter(None, errors)):
        raise error_of(refusal_in(200, body, about))
    gone = {
        post for post, error in errors.items() if post and isinstance(error, AccountUnavailable)
    }
    return Recheck(len(shown), asked & gone - _ids(shown))


def _post_of(problem: object) -> str | None:
    named = problem.get("resource_id") if isinstance(problem, dict) else None
    return named if isinstance(named, str) else None


def _ids(shown: list[Any]) -> frozenset[str]:
    return frozenset(str(post.get("id")) for post in shown if isinstance(post, dict))
