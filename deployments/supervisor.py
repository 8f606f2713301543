"""The processes of a site: each is watched, and one that dies is started again.

All that it had started is ended first, so that no flow goes on unseen. One that dies soon after its
start is left alone for longer each time: starting Prefect takes seconds of a core, and a server
that cannot start would take them from the trainings for ever.
"""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass, field

import psutil

from deployments import console

_PATIENCE = 10.0  # seconds that a process has to end by itself
_LOOK = 1.0  # seconds between two looks at the processes
_STEADY = 60.0  # one that has lived for so many seconds is started again at once
_LONGEST_PAUSE = 60.0  # seconds


@dataclass
class _Part:
    """A process, and how it is started.

    started: all that it has started so far; what a worker has started is a stranger once the
    worker is dead, so it is kept in mind.
    pause: seconds before the next start. due: when that is; None while the process lives.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    started: set[psutil.Process] = field(default_factory=set)
    pause: float = 0.0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start the process, in a session of its own: Ctrl-C is for us."""
        console.err.print(f"Starting the {self.name} …")
        self.process = subprocess.Popen(  # noqa: S603 - our own words
            self.command,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        self._begun = time.monotonic()
        self.due: float | None = None

    def bury(self) -> float:
        """End what the dead process had started; returns when the next is due."""
        self.pause = pause_after(time.monotonic() - self._begun, self.pause)
        later = f" It is started again in {self.pause:.0f} s." if self.pause else ""
        console.err.print(f"The {self.name} has ended with {self.process.returncode}.{later}")
        _end(self.started)
        self.started.clear()
        return time.monotonic() + self.pause


class Parts:
    """The processes of a site, each with what it has started."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a command, to be watched from now on."""
        self._parts[name] = _Part(name, command, environment)

    def watch(self) -> None:
        """Start again whatever dies, for ever."""
        while True:
            time.sleep(_LOOK)
            for name in list(self._parts):
                self.look_at(name)

    def look_at(self, name: str) -> None:
        """Note what a part has started; start it again, once it is due, where it has died."""
        part = self._parts[name]
        if part.process.poll() is None:
            part.started |= set(_below(part.process.pid))
            return
        if part.due is None:
            part.due = part.bury()
        if time.monotonic() >= part.due:
            part.begin()

    def is_running(self, name: str) -> bool:
        """Whether a part is."""
        return self._parts[name].process.poll() is None

    def end(self) -> None:
        """End all parts and what they have started; the server last, so that it is told."""
        for part in reversed(self._parts.values()):
            if part.process.poll() is None:  # else its number may be another's by now
                pid = part.process.pid
                part.started |= {psutil.Process(pid), *_below(pid)}
            _end(part.started)
            part.process.wait()


def pause_after(lived: float, last: float) -> float:
    """Seconds to wait for a part that lived for so many; last: for how long it was before that."""
    return 0.0 if lived >= _STEADY else min(2 * last or _LOOK, _LONGEST_PAUSE)


def _below(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _end(processes: set[psutil.Process]) -> None:
    """Ask processes to end, and after a while make them."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, left = psutil.wait_procs(processes, timeout=_PATIENCE)
    for process in left:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=_PATIENCE)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it went by itself
