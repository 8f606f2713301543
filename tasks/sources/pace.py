"""How the client of a service waits: between its requests, after faults, and when asked to."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tasks.core.errors import NetworkTrouble, RateLimited, ServerTrouble

T = TypeVar("T")
ATTEMPTS = 5
WAITS = 3  # pauses that a service may ask for before one request succeeds
LONGEST_WAIT = 60.0
_SLICE = 1.0
_SLACK = 1.0  # our clock and the service's differ a little


def _do_nothing(*_: object) -> None:
    """The default of a callback."""


@dataclass(frozen=True)
class Pace:
    """How the client waits; tests pass a clock of their own.

    now: seconds since 1970; sleep: for some seconds; jitter: a random number from 0 to 1.
    countdown: called about once a second with the seconds left of a pause that the service asks
        for.
    permit: called before each request, and may wait for a limit that all runs share.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    countdown: Callable[[float], None] = _do_nothing
    permit: Callable[[], None] = _do_nothing


@dataclass(frozen=True)
class Timeouts:
    """The longest waits of one request, in seconds.

    connect: for a connection; read: for the next bytes; total: for a whole response.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 90.0


def with_retries(pace: Pace, ask: Callable[[], T]) -> T:
    """What `ask` returns, asked again where that helps.

    Server errors and broken responses are retried with growing pauses. A pause that the service
    asks for is kept if it is at most a minute, and else raised as RateLimited with its
    `next_attempt_at`. Raises what `ask` raised last.
    """
    attempts, waits = ATTEMPTS, WAITS
    while True:
        try:
            return ask()
        except RateLimited as limit:
            waits -= 1
            if waits < 0 or not _wait_for(pace, limit):
                raise
        except (ServerTrouble, NetworkTrouble):
            attempts -= 1
            if not attempts:
                raise
            pace.sleep(2 ** (ATTEMPTS - 1 - attempts) * (0.5 + pace.jitter()))


def _wait_for(pace: Pace, limit: RateLimited) -> bool:
    """Wait for a pause to end if it is short enough; returns whether it was."""
    until = limit.next_attempt_at
    if until is None or until.timestamp() - pace.now() > LONGEST_WAIT:
        return False
    end = until.timestamp() + _SLACK
    end = max(end, pace.now() + _SLACK)
    while (left := end - pace.now()) > 0:
        pace.countdown(left)
        pace.sleep(min(left, _SLICE))
    return True
