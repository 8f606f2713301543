"""Waiting for a Prefect server that is away: what is under way must not end for it.

Prefect's client waits by itself once it has reached the server, for as long as
PREFECT_CLIENT_MAX_RETRIES says. One that is new, as for most of what our tasks ask, fails at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

log = logging.getLogger("huggingtweets")
Got = TypeVar("Got")
PATIENCE = 600.0  # seconds; a server that is away for longer has an operator by then
PAUSE = 5.0  # seconds
# What stands before a server that is away answers so, and Prefect's own while SQLite is locked.
_AWAY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


def patiently(ask: Callable[[], Got], patience: float = PATIENCE, pause: float = PAUSE) -> Got:
    """What the server answers; while it is away, ask again. In the end raises what `ask` does."""
    end = time.monotonic() + patience
    while True:
        try:
            return ask()
        except Exception as error:
            if not is_away(error) or time.monotonic() > end:
                raise
            log.warning("the Prefect server does not answer (%r): asking again", error)
            time.sleep(pause)


@contextmanager
def unless_away(then: str) -> Iterator[None]:
    """Within the block what is asked of the server is given up while it is away.

    then: what happens instead, for the log.
    """
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        log.warning("the Prefect server does not answer (%r): %s", error, then)


def is_away(error: BaseException) -> bool:
    """Whether an error, or what it came from, is of a server that does not answer."""
    found = of_server(error)
    if isinstance(found, httpx.HTTPStatusError):
        return found.response.status_code in _AWAY
    return isinstance(found, httpx.TransportError)


def of_server(error: BaseException | None) -> httpx.HTTPError | None:
    """What a server did that an error came from, or None where it came from elsewhere."""
    while error is not None and not isinstance(error, httpx.HTTPError):
        error = error.__cause__
    return error


def was_away(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed for a server that was away, and is worth another try."""
    return isinstance(state.data, BaseException) and is_away(state.data)


# For tasks that only tell the server something.
PATIENT: dict[str, Any] = {
    "retries": round(PATIENCE / PAUSE),
    "retry_delay_seconds": PAUSE,
    "retry_condition_fn": was_away,
}
