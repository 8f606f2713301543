"""A wall clock that a test sets, for processes that it starts."""

from __future__ import annotations

import mmap
import struct
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True)
class Clock:
    """How far the wall clock of the processes with this environment is ahead of the machine's."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        """For the processes that are to see this clock."""
        return {"LD_PRELOAD": str(self.library), "JUMPING_CLOCK": str(self.file)}

    def set(self, ahead: timedelta) -> None:
        """Let it be so far ahead from now on; a negative time puts it back."""
        with self.file.open("r+b") as stream, mmap.mmap(stream.fileno(), 8) as shared:
            shared[:] = struct.pack("q", round(ahead.total_seconds()))


def make_clock(folder: Path) -> Clock:
    """A clock that is right so far; needs a C compiler."""
    clock = Clock(folder / "clock", folder / "jumping_clock.so")
    clock.file.write_bytes(bytes(8))
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", clock.library, source, "-ldl"], check=True)
    return clock
