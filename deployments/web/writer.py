"""Posts for visitors, by one process that keeps the last bot: one writing at a time, in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from deployments.web.child_process import ChildProcess

# Two torch threads beside other work take ten times as long as one.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_KEPT = 50  # wishes whose posts are remembered
_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for; number: of posts, 0 to have the bot loaded only."""

    bot: str
    start: str = ""
    number: int = 0
    temperature: float = 1.0
    seed: int = 0


@dataclass(eq=False)
class Writing:
    """A wish that waits or is under way; is_left: whether the visitor has gone."""

    wish: Wish
    id: int = field(default_factory=count(1).__next__)
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    is_left: bool = False


class Busy(Exception):
    """So many visitors wait already that one more would wait for too long."""


class Writer:
    """A queue of wishes and the process that fulfils them."""

    def __init__(self, module: str, most_waiting: int = 8, idle: float = 600.0) -> None:
        """module: that the process runs. most_waiting: wishes, the one under way included.

        idle: seconds without a wish after which the process, with a gigabyte for a bot, is ended.
        """
        self._most, self._idle, self._module = most_waiting, idle, module
        self._writings: list[Writing] = []
        self._written: dict[Wish, list[str]] = {}  # the latest last
        self._child: ChildProcess | None = None
        self._loop: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """The wishes, the one under way included."""
        return len(self._writings)

    @property
    def is_loaded(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.is_running

    def ask(self, wish: Wish) -> Writing:
        """Put a wish in the queue. Raises Busy."""
        if self.waiting >= self._most:
            raise Busy
        writing = Writing(wish)
        self._writings.append(writing)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._work())
        self._news.set()
        return writing

    def written(self, wish: Wish) -> list[str]:
        """The posts of one of the last wishes, if it was fulfilled to its end; or none."""
        return self._written.get(wish, [])

    def prepare(self, bot: str) -> None:
        """Load a bot that will probably be asked for, if nobody waits."""
        if not self._writings:
            self.ask(Wish(bot))

    async def events(self, writing: Writing) -> AsyncIterator[dict[str, Any]]:
        """What becomes of a wish, to its end."""
        while True:
            event = await writing.events.get()
            yield event
            if event.keys() & {"end", "error"}:
                return

    def leave(self, writing: Writing) -> None:
        """Take a wish out of the queue, or have the writing stopped that is under way."""
        writing.is_left = True
        if writing not in self._writings:
            return
        if self._writings[0] is not writing:
            self._writings.remove(writing)
            self._show_places()
        elif self._child is not None:
            self._child.send({"stop": writing.id})

    def _show_places(self) -> None:
        for ahead, each in enumerate(self._writings):
            if ahead:
                each.events.put_nowait({"ahead": ahead})

    async def _work(self) -> None:
        while True:
            while self._writings:
                self._show_places()
                writing = self._writings[0]
                try:
                    if not writing.is_left:
                        await self._fulfil(writing)
                finally:
                    self._writings.remove(writing)
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._idle)
                continue
            await self._end_child()
            await self._news.wait()

    async def _fulfil(self, writing: Writing) -> None:
        began, posts = time.monotonic(), list[str]()
        writing.events.put_nowait({"loading": True})
        child = await self._running_child()
        child.send({"id": writing.id, **asdict(writing.wish)})
        if writing.is_left:
            child.send({"stop": writing.id})
        async for answer in child.answers():
            if "end" in answer:
                seconds = round(time.monotonic() - began, 2)
                writing.events.put_nowait({"end": {"posts": len(posts), "seconds": seconds}})
                self._keep(writing.wish, posts)
                return
            if "post" in answer:
                posts.append(answer["post"])
            writing.events.put_nowait(answer)
            if "error" in answer:
                return
        status = await child.wait()
        self._child = None
        _log.error("the process that writes posts ended with status %d", status)
        writing.events.put_nowait({"error": "the bot's process has ended; try again"})

    def _keep(self, wish: Wish, posts: list[str]) -> None:
        if len(posts) == wish.number > 0:
            self._written.pop(wish, None)
            self._written[wish] = posts
            while len(self._written) > _KEPT:
                del self._written[next(iter(self._written))]

    async def _running_child(self) -> ChildProcess:
        if self._child is None or not self._child.is_running:
            self._child = await ChildProcess.start(self._module, _ONE_THREAD)
        return self._child

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    async def close(self) -> None:
        """End the process and whatever is under way."""
        if self._loop is not None:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop
        await self._end_child()
