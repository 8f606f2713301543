"""Runs a reader on hostile input in a child process with limits on its CPU time and memory.

The limits are a floor plus a multiple of the input's size. A reader that needs more is killed, or
gets a MemoryError, and the test fails. CPU seconds do not depend on what else the machine does.
"""

from __future__ import annotations

import math
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tasks.core.errors import HuggingtweetsError
from tests.forking import forking

_GIVE_UP = 280.0  # seconds by the clock, for a child that waits instead of working
_MEBIBYTE = 1 << 20
_CPU = signal.SIGXCPU.value


@dataclass(frozen=True)
class Limits:
    """What a reader may use: a floor, and so much for each byte of its input.

    seconds: of CPU time; seconds_per_mebibyte: of input. bytes: of address space beyond what the
    process has before it reads; bytes_per_byte: of input.
    """

    seconds: float = 6.0
    seconds_per_mebibyte: float = 10.0
    bytes: int = 192 * _MEBIBYTE
    bytes_per_byte: float = 1.0


@dataclass(frozen=True)
class Ending:
    """How a reader ended: with a result, with one of our errors, or in a way that no reader may."""

    result: Any = None
    refusal: str | None = None
    failure: str | None = None


def read_bounded(
    reader: Callable[[Path], Any],
    path: Path,
    limits: Limits = Limits(),
) -> Ending:
    """What a module's function makes of a file or folder within the limits.

    Fails the test if it needs more, or raises anything but a HuggingtweetsError of one line.
    """
    context = forking()
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_read, args=(reader, path, limits, send))
    child.start()
    send.close()
    ending = _received(receive)
    child.kill()  # if it waits for something; one that has ended is not changed by it
    child.join()
    assert ending is not None, f"its process ended with {child.exitcode}: -{_CPU} is CPU time"
    assert ending.failure is None, ending.failure
    assert ending.refusal is None or "\n" not in ending.refusal
    return ending


def _received(receive: Connection) -> Ending | None:
    try:
        return receive.recv() if receive.poll(_GIVE_UP) else None
    except EOFError:
        return None


def _read(reader: Callable[[Path], Any], path: Path, limits: Limits, send: Connection) -> None:
    size = _size(path)
    seconds = limits.seconds + size / _MEBIBYTE * limits.seconds_per_mebibyte
    memory = limits.bytes + int(size * limits.bytes_per_byte)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
    _limit(resource.RLIMIT_AS, _address_space() + memory)
    try:
        send.send(Ending(result=reader(path)))
    except HuggingtweetsError as error:
        send.send(Ending(refusal=str(error)))
    except BaseException as error:  # noqa: BLE001 - the test shall say which
        send.send(Ending(failure=f"{type(error).__name__}: {str(error)[:200]}"))


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(each.lstat().st_size for each in path.iterdir())
