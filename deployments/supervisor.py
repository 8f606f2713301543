"""Supervises the processes of `serve`: one that exits is started again.

Its descendants are ended first, so that no flow goes on unseen. One that exits soon after its start
is restarted after a growing backoff: starting Prefect takes seconds of a core, and a server that
cannot start would take them from the trainings for ever.
"""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass, field

import psutil

from deployments import console

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_INTERVAL = 1.0  # seconds between two checks of the processes
_STABLE = 60.0  # a process that ran for so many seconds is restarted at once
_LONGEST_BACKOFF = 60.0  # seconds


@dataclass
class _Service:
    """A supervised process.

    descendants: all seen so far. They are remembered, because once the process is dead they are no
        longer its children.
    backoff: seconds before the next restart. restart_at: when that is, on the monotonic clock;
        None while the process runs.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    descendants: set[psutil.Process] = field(default_factory=set)
    backoff: float = 0.0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the process in a session of its own, which Ctrl-C does not reach."""
        console.note(f"Starting the {self.name} …")
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self.command,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        self._started_at = time.monotonic()
        self.restart_at: float | None = None

    def check(self) -> None:
        """Remember descendants; restart the process if it has exited, once its backoff is over."""
        if self.process.poll() is None:
            self.descendants |= set(_descendants(self.process.pid))
            return
        if self.restart_at is None:
            self.restart_at = self._clean_up()
        if time.monotonic() >= self.restart_at:
            self.start()

    def _clean_up(self) -> float:
        """End the descendants of the exited process; returns when to restart it."""
        self.backoff = next_backoff(time.monotonic() - self._started_at, self.backoff)
        restart = f" Restarting in {self.backoff:.0f} s." if self.backoff else ""
        console.note(f"The {self.name} exited with code {self.process.returncode}.{restart}")
        _terminate(self.descendants)
        self.descendants.clear()
        return time.monotonic() + self.backoff

    def stop(self) -> None:
        """End the process and its descendants."""
        if self.process.poll() is None:  # else its pid may be another process's by now
            pid = self.process.pid
            self.descendants |= {psutil.Process(pid), *_descendants(pid)}
        _terminate(self.descendants)
        self.process.wait()


class Supervisor:
    """Starts processes, restarts those that exit, and ends all of them with their descendants."""

    def __init__(self) -> None:
        self._services: dict[str, _Service] = {}

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a command, supervised from now on."""
        self._services[name] = _Service(name, command, environment)

    def run(self) -> None:
        """Restart whatever exits, for ever."""
        while True:
            time.sleep(_INTERVAL)
            self.check()

    def check(self) -> None:
        """Check each process once."""
        for service in self._services.values():
            service.check()

    def is_running(self, name: str) -> bool:
        """Whether the process of this name runs."""
        return self._services[name].process.poll() is None

    def stop(self) -> None:
        """End all processes, the last one started first: the server hears of the workers' end."""
        for service in reversed(self._services.values()):
            service.stop()


def next_backoff(uptime: float, last: float) -> float:
    """Seconds to wait before the next start; last: the backoff before the one that just ended."""
    return 0.0 if uptime >= _STABLE else min(2 * last or _INTERVAL, _LONGEST_BACKOFF)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _terminate(processes: set[psutil.Process]) -> None:
    """SIGTERM, and SIGKILL for those that are left after the grace period."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, left = psutil.wait_procs(processes, timeout=_GRACE)
    for process in left:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=_GRACE)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it exited by itself
