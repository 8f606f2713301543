"""Outages of the Prefect server: work that is under way waits for it, or goes on without it.

Prefect's client waits by itself once it has reached the server, for as long as
PREFECT_CLIENT_MAX_RETRIES says. A new client, as most of our calls need one, fails at once.
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

from tasks.core import interruption

log = logging.getLogger("huggingtweets")
Answer = TypeVar("Answer")
LONGEST_OUTAGE = 600.0  # seconds; a server that is down for longer has an operator by then
PAUSE = 5.0  # seconds between two tries
# From a proxy in front of a server that is down; Prefect's own 503 is a locked SQLite.
_UNREACHABLE = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


def wait_for_server(
    call: Callable[[], Answer], longest: float = LONGEST_OUTAGE, pause: float = PAUSE
) -> Answer:
    """The result of a call to the server, repeated while it is unreachable.

    longest, pause: in seconds. Raises what `call` does for any other reason, or after `longest`;
    Interrupted where a stop is asked for meanwhile.
    """
    end = time.monotonic() + longest
    while True:
        try:
            return call()
        except Exception as error:
            if not is_unreachable(error) or time.monotonic() > end:
                raise
            log.warning("the Prefect server does not answer (%r): trying again", error)
            interruption.pause(pause)


@contextmanager
def skip_if_unreachable(consequence: str) -> Iterator[None]:
    """Give up what the block asks of the server where it is unreachable.

    consequence: what happens instead, for the log.
    """
    try:
        yield
    except Exception as error:
        if not is_unreachable(error):
            raise
        log.warning("the Prefect server does not answer (%r): %s", error, consequence)


def is_unreachable(error: BaseException) -> bool:
    """Whether an error, or its cause, is of a server that does not answer."""
    found = server_error(error)
    if isinstance(found, httpx.HTTPStatusError):
        return found.response.status_code in _UNREACHABLE
    return isinstance(found, httpx.TransportError)


def server_error(error: BaseException | None) -> httpx.HTTPError | None:
    """The HTTP error that is, or has caused, an error; None where there is none."""
    while error is not None and not isinstance(error, httpx.HTTPError):
        error = error.__cause__
    return error


def _failed_in_outage(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.data, BaseException) and is_unreachable(state.data)


# For tasks that only write to the server, such as artifacts: in a flow that keeps its result, each
# would leave a file with nothing in it.
RETRY_IN_OUTAGE: dict[str, Any] = {
    "persist_result": False,
    "retries": round(LONGEST_OUTAGE / PAUSE),
    "retry_delay_seconds": PAUSE,
    "retry_condition_fn": _failed_in_outage,
}
