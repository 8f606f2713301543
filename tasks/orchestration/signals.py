"""SIGINT and SIGTERM while bots are brought up to date: the work is asked to stop, in order.

Python's own answer to SIGINT reaches the main thread only, which then waits for the threads that
train; and Prefect's answer to SIGTERM is the same. So both set a request instead, which long loops
look for, and the flow ends with an outcome for each bot.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tasks.core import interruption

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds until a process that has not stopped by itself, in a download perhaps, is ended.
PATIENCE = 8.0
# As shells report a program that SIGINT has ended.
EXIT_CODE = 128 + signal.SIGINT
_answers: list[Callable[[int, FrameType | None], None]] = []  # of the blocks that are under way


@contextmanager
def stop_on_signals(leave: Callable[[], object]) -> Iterator[None]:
    """Within the block a signal asks for a stop, and a second one ends the process at once.

    leave: called before a process that did not stop in time is ended, to record what it leaves.
    Does nothing outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end: threading.Timer | None = None

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal end
        if end is not None:
            os._exit(EXIT_CODE)
        interruption.request_stop()
        # Not by a logger: Prefect's handlers want to know which run it is of.
        sys.stderr.write("\nhuggingtweets: stopping; Ctrl-C again ends at once, storing nothing\n")
        end = threading.Timer(PATIENCE, _end_by_force, (leave,))
        end.daemon = True
        end.start()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    _answers.append(stop)
    try:
        yield
    finally:
        _answers.remove(stop)
        if end is not None:
            end.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def answer_signals_again() -> None:
    """Within `stop_on_signals`, take back the handlers that other code has taken since.

    Prefect takes that of SIGTERM at the start of each subflow, and puts ours back at its end. A
    SIGTERM in between would end the main thread, but none of the threads that train.
    """
    if _answers and threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, _answers[-1])


def _end_by_force(leave: Callable[[], object]) -> None:
    try:
        leave()
    finally:
        os._exit(EXIT_CODE)
