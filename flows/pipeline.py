"""Several bots on their way at once: one trains while the next is fetched, another published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Asked = TypeVar("Asked")
Got = TypeVar("Got")
# One that trains, one before it and one after it.
AT_ONCE = 3


async def in_pipeline(
    asked: Sequence[Asked], work: Callable[[Asked], Awaitable[Got]], at_once: int = AT_ONCE
) -> list[Got]:
    """What `work` makes of each, in the order asked, `at_once` under way at a time."""
    places = asyncio.Semaphore(at_once)

    async def one(each: Asked) -> Got:
        async with places:
            return await work(each)

    return list(await asyncio.gather(*map(one, asked)))
