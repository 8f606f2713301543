"""Several bots on their way at once: one trains while the next is fetched, another published."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Asked = TypeVar("Asked")
Got = TypeVar("Got")
# One that trains, one before it and one after it.
AT_ONCE = 3

_begun: contextvars.ContextVar[asyncio.Event] = contextvars.ContextVar("begun")


def has_begun() -> None:
    """Say, from inside a flow of the pipeline, that its run exists; the next may be started."""
    if (event := _begun.get(None)) is not None:
        event.set()


async def in_pipeline(
    asked: Sequence[Asked], work: Callable[[Asked], Awaitable[Got]], at_once: int = AT_ONCE
) -> list[Got]:
    """What `work` makes of each, in order, `at_once` under way at a time.

    Each starts only when the one before has begun: Prefect finds the finished subflows of a run
    that is retried by the order in which they were started, so that the order must be the same.
    """
    places = asyncio.Semaphore(at_once)

    async def one(each: Asked) -> Got:
        try:
            return await work(each)
        finally:
            places.release()

    children = []
    for each in asked:
        await places.acquire()
        event = asyncio.Event()
        context = contextvars.copy_context()
        context.run(_begun.set, event)
        child = asyncio.create_task(one(each), context=context)
        begun = asyncio.create_task(event.wait())
        await asyncio.wait({child, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        children.append(child)
    return list(await asyncio.gather(*children))
