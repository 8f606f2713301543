"""Work in forked processes that are killed at random moments.

For programs that tests start: what a test itself has loaded is not safe to be forked.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable


def kill_at_random(work: Callable[[], None], times: int, check: Callable[[], None]) -> int:
    """Start `work` so many times, kill each at a random moment, and `check` what it has left.

    One that is not killed comes first. Returns how many were killed before their end. Raises
    ChildProcessError where one failed.
    """
    longest = 1.1 * _seconds(work)
    check()
    chance = random.Random(0)
    killed = 0
    for _ in range(times):
        child = _forked(work)
        time.sleep(chance.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        killed += _ended(child)
        check()
    return killed


def _seconds(work: Callable[[], None]) -> float:
    begun = time.monotonic()
    _ended(_forked(work))
    return time.monotonic() - begun


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001  (nothing may return into the parent's code)
        traceback.print_exc()
        os._exit(1)


def _ended(child: int) -> bool:
    """Whether it was killed."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > 0:
        raise ChildProcessError(f"the work ended with code {status}")
    return status == -signal.SIGKILL


def fetched_again(runs: list[list[list[str]]]) -> list[int]:
    """For each run, how many posts that had gone out in an earlier one it fetched again."""
    again, before = [], set()
    for pages in runs:
        now = [post_id for page in pages for post_id in page]
        assert len(now) == len(set(now)), "a run fetched a post twice"
        again.append(len(before.intersection(now)))
        before.update(now)
    return again
