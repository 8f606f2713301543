"""Places among the processes of one machine: locked files, which the system frees with a process.

The Prefect server's slots are free again when their lease ends. The server that a command starts
for itself ends no leases: a command that was killed while it trained would block all later ones.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.core import interruption

log = logging.getLogger("huggingtweets")
PAUSE = 0.5  # seconds between two tries


@contextmanager
def machine_place(folder: Path, name: str, places: int = 1) -> Iterator[None]:
    """Hold one of so many places of a name, and wait for it.

    Raises OSError where none can be, Interrupted while waiting.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name.replace('/', '-')}.{number}" for number in range(places)]
    lock = _acquired(paths)
    if lock is None:
        log.info("waiting for %s, which another process of this machine holds", name)
    while lock is None:
        interruption.pause(PAUSE)
        lock = _acquired(paths)
    try:
        yield
    finally:
        lock.release()


def _acquired(paths: list[Path]) -> FileLock | None:
    """The lock of the first free file, or None."""
    for path in paths:
        # Without flock(2) a lock would be a file that stays when its process is killed.
        lock = FileLock(path, mode=0o600, blocking=False, fallback_to_soft=False)
        with suppress(Timeout):
            lock.acquire()
            return lock
    return None
