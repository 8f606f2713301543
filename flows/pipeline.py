"""Several bots of a batch under way: one trains while the next is fetched, another published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
# One that trains, one before it and one after it.
UNDER_WAY = 3


async def in_pipeline(
    items: Sequence[Item], work: Callable[[Item], Awaitable[Result]], limit: int = UNDER_WAY
) -> list[Result]:
    """The results of `work` in the order of the items, at most `limit` under way at a time."""
    places = asyncio.Semaphore(limit)

    async def one(item: Item) -> Result:
        async with places:
            return await work(item)

    return list(await asyncio.gather(*map(one, items)))
