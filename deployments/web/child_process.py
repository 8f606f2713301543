"""A child process that takes commands and answers in lines of JSON.

It ends when its standard input is closed, and so with this process, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Self

_LONGEST_LINE = 4_000_000  # bytes
_PATIENCE = 15.0  # seconds between SIGTERM and SIGKILL


class ChildProcess:
    """A module of ours that runs as a process of its own, in a session of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, environment: Mapping[str, str] | None = None) -> Self:
        """Start `python -m module`; environment: what it sees beside ours."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        )

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.returncode is None

    def send(self, command: Mapping[str, Any]) -> None:
        """Give the process a command; one that has ended takes none."""
        assert self._process.stdin is not None  # noqa: S101 - as it was started
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def answers(self) -> AsyncIterator[dict[str, Any]]:
        """What it says, until it ends."""
        assert self._process.stdout is not None  # noqa: S101 - as it was started
        async for line in self._process.stdout:
            yield json.loads(line)

    async def wait(self) -> int:
        """Its exit status."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        if self.is_running:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def stop(self) -> None:
        """End it, and what it has started: in order first, after a while by force."""
        self.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
