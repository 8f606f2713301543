"""A request to stop, made by a signal and honoured by whatever takes long.

Signals reach a process's main thread only, and bots are trained in others. So the signal's handler
calls `request_stop`, and long loops call `check`, which ends them in order: a training stores its
state first, a place is given back, the outcome says `interrupted`.
"""

from __future__ import annotations

import threading

from tasks.core.errors import Interrupted

_requested = threading.Event()


def request_stop() -> None:
    """Ask everything in this process to stop soon."""
    _requested.set()


def stop_requested() -> bool:
    """Whether a stop was asked for."""
    return _requested.is_set()


def withdraw() -> None:
    """Take the request back: what begins now may run."""
    _requested.clear()


def check() -> None:
    """Raises Interrupted where a stop was asked for."""
    if _requested.is_set():
        raise Interrupted("stopped on request: run it again to go on")


def pause(seconds: float) -> None:
    """Sleep. Raises Interrupted as soon as a stop is asked for."""
    _requested.wait(seconds)
    check()
