"""The queue of visitors, with a process that only repeats what it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deployments.web.writer import Busy, Wish, Writer

ECHO = "tests.servers.echo_writer"


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Writer]:
    writer = Writer(ECHO, **options)
    try:
        yield writer
    finally:
        await writer.close()


async def written(writer: Writer, wish: Wish) -> list[dict[str, Any]]:
    return [event async for event in writer.events(writer.ask(wish))]


def posts(events: list[dict[str, Any]]) -> list[str]:
    return [event["post"] for event in events if "post" in event]


def test_wishes_are_fulfilled_in_their_order_by_one_process() -> None:
    async def story() -> None:
        async with running() as writer:
            first, second = await asyncio.gather(
                written(writer, Wish("a", "x", 2, seed=1)), written(writer, Wish("a", "y", 1))
            )
            assert posts(first) == ["x 0 1", "x 1 1"]
            assert posts(second) == ["y 0 0"]
            assert second[0] == {"ahead": 1}
            assert first[-1]["end"]["posts"] == 2
            assert writer.waiting == 0

    asyncio.run(story())


def test_whoever_leaves_is_not_written_for() -> None:
    async def story() -> None:
        async with running() as writer:
            slow = writer.ask(Wish("a", "slow", 100_000))
            gone = writer.ask(Wish("a", "slow", 100_000))
            next_one = writer.ask(Wish("a", "x", 1))
            async for event in writer.events(slow):
                if "post" in event:
                    break
            writer.leave(gone)
            assert writer.waiting == 2
            writer.leave(slow)
            events = [event async for event in writer.events(next_one)]
            assert posts(events) == ["x 0 0"], "it comes at once, and not after 2,000 seconds"
            writer.leave(next_one)
            writer.leave(slow)
            assert writer.waiting == 0

    asyncio.run(asyncio.wait_for(story(), 60))


def test_the_queue_is_bounded() -> None:
    async def story() -> None:
        async with running(most_waiting=2) as writer:
            waiting = [writer.ask(Wish("a", "slow", 100_000)) for _ in range(2)]
            with pytest.raises(Busy):
                writer.ask(Wish("a"))
            writer.leave(waiting[1])
            writer.prepare("a")  # nobody waits for it, so it waits for nobody
            assert writer.waiting == 1

    asyncio.run(story())


def test_a_process_that_dies_is_reported_and_replaced() -> None:
    async def story() -> None:
        async with running() as writer:
            events = await written(writer, Wish("a", "crash", 1))
            assert "try again" in events[-1]["error"]
            assert posts(await written(writer, Wish("a", "x", 1))) == ["x 0 0"]

    asyncio.run(story())


def test_the_process_ends_when_nobody_has_come_for_long() -> None:
    async def story() -> None:
        async with running(idle=0.05) as writer:
            await written(writer, Wish("a", "x", 1))
            while writer.is_loaded:  # noqa: ASYNC110 - nobody is informed of it
                await asyncio.sleep(0.01)
            assert posts(await written(writer, Wish("a", "y", 1))) == ["y 0 0"]

    asyncio.run(asyncio.wait_for(story(), 60))
