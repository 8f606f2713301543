"""How the X API is waited for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


def _nothing(*_: object) -> None:
    """What is done where nobody wants to know."""


@dataclass(frozen=True)
class Pace:
    """How the client waits. Tests put their own clock here.

    now: seconds since 1970; sleep: for so many seconds; jitter: 0 to 1, by chance.
    countdown: told the seconds that are left, about once a second of a pause that X asks for.
    permit: called before each request, and may wait: the place of a limit that all runs share.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    countdown: Callable[[float], None] = _nothing
    permit: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Timeouts:
    """The longest waits of one request, in seconds.

    connect: for a connection; read: for the next bytes; total: for a whole answer, however
    slowly it drips.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 90.0
