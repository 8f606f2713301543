"""How the client waits for the X API."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


def _do_nothing(*_: object) -> None:
    """The default of a callback."""


@dataclass(frozen=True)
class Pace:
    """How the client waits; tests pass a clock of their own.

    now: seconds since 1970; sleep: for some seconds; jitter: a random number from 0 to 1.
    countdown: called about once a second with the seconds left of a pause that X asks for.
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
