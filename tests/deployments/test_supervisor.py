"""Processes that are watched: real ones, of a shell."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployments.supervisor import Parts, pause_after


@pytest.fixture
def parts() -> Iterator[Parts]:
    parts = Parts()
    yield parts
    parts.end()


def start(parts: Parts, script: str) -> None:
    parts.start("thing", ["/bin/sh", "-c", script], dict(os.environ))


def look_until(parts: Parts, done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        parts.look_at("thing")
        if done():
            return True
        time.sleep(0.02)
    return False


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def has_ended(process: psutil.Process) -> bool:
    """Whether it has, though nobody has asked yet how."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("lived", "last", "pause"),
    [(3600, 60, 0), (60, 0, 0), (5, 0, 1), (5, 1, 2), (5, 2, 4), (5, 32, 60), (0, 60, 60)],
)
def test_what_dies_young_is_left_alone_for_longer_each_time(
    lived: float, last: float, pause: float
) -> None:
    assert pause_after(lived, last) == pause


def test_what_cannot_live_does_not_take_the_machine(parts: Parts, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    start(parts, f"echo >> {begun}; exit 3")
    look_until(parts, lambda: False, 4.5)
    assert 2 <= len(lines(begun)) <= 4, "at 0, 1 and 3 seconds, and at 7"


def test_what_a_killed_part_had_started_ends_before_it_starts_again(
    parts: Parts, tmp_path: Path
) -> None:
    children = tmp_path / "children"
    start(parts, f"sleep 600 & echo $! $$ >> {children}; wait")
    assert look_until(parts, lambda: len(lines(children)) == 1, 20)
    parts.look_at("thing")
    child, part = (psutil.Process(int(pid)) for pid in children.read_text().split())
    part.kill()
    assert look_until(parts, lambda: len(lines(children)) == 2, 20)
    assert has_ended(child)


def test_all_ends_with_what_it_has_started(parts: Parts, tmp_path: Path) -> None:
    children = tmp_path / "children"
    start(parts, f"sleep 600 & echo $! $$ >> {children}; wait")
    assert look_until(parts, lambda: len(lines(children)) == 1, 20)
    started = [psutil.Process(int(pid)) for pid in children.read_text().split()]
    parts.end()
    assert all(map(has_ended, started))
