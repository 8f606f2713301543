"""The supervisor with real processes: shells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployments.supervisor import Supervisor, next_backoff


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop()


def start(supervisor: Supervisor, script: str) -> None:
    supervisor.start("shell", ["/bin/sh", "-c", script], dict(os.environ))


def check_until(supervisor: Supervisor, done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        supervisor.check()
        if done():
            return True
        time.sleep(0.02)
    return False


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def has_ended(process: psutil.Process) -> bool:
    """Whether it has exited, even if its parent has not waited for it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("uptime", "last", "backoff"),
    [(3600, 60, 0), (60, 0, 0), (5, 0, 1), (5, 1, 2), (5, 2, 4), (5, 32, 60), (0, 60, 60)],
)
def test_the_backoff_grows_while_a_process_exits_early(
    uptime: float, last: float, backoff: float
) -> None:
    assert next_backoff(uptime, last) == backoff


def test_a_process_that_cannot_start_is_restarted_ever_less_often(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    start(supervisor, f"echo >> {started}; exit 3")
    check_until(supervisor, lambda: False, 4.5)
    assert 2 <= len(lines(started)) <= 4, "at 0, 1 and 3 seconds, and at 7"


def test_descendants_of_a_killed_process_end_before_it_is_restarted(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    start(supervisor, f"sleep 600 & echo $! $$ >> {pids}; wait")
    assert check_until(supervisor, lambda: len(lines(pids)) == 1, 20)
    supervisor.check()
    child, parent = (psutil.Process(int(pid)) for pid in pids.read_text().split())
    parent.kill()
    assert check_until(supervisor, lambda: len(lines(pids)) == 2, 20)
    assert has_ended(child)


def test_stopping_ends_the_processes_and_their_descendants(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    start(supervisor, f"sleep 600 & echo $! $$ >> {pids}; wait")
    assert check_until(supervisor, lambda: len(lines(pids)) == 1, 20)
    started = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
    supervisor.stop()
    assert all(map(has_ended, started))
