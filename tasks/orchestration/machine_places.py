"""Places among the processes of one machine: locked files, which the system frees with a process.

The Prefect server's slots are free again when their lease ends. The server that a command starts
for itself ends no leases: a command that was killed while it trained would block all later ones.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("huggingtweets")
PAUSE = 0.5  # seconds between two tries


@contextmanager
def place(folder: Path, name: str, places: int = 1) -> Iterator[None]:
    """Hold one of so many places of a name, and wait for it. Raises OSError where none can be."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name.replace('/', '-')}.{number}" for number in range(places)]
    descriptor = _free_one(paths)
    if descriptor is None:
        log.info("waiting for %s, which another process of this machine holds", name)
    while descriptor is None:
        time.sleep(PAUSE)
        descriptor = _free_one(paths)
    try:
        yield
    finally:
        os.close(descriptor)


def _free_one(paths: list[Path]) -> int | None:
    for path in paths:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        else:
            return descriptor
    return None
