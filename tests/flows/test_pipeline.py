from __future__ import annotations

import asyncio

import pytest

from flows.pipeline import in_pipeline


def test_so_many_are_under_way_and_the_answers_come_in_order() -> None:
    under_way, most = set[int](), 0

    async def work(number: int) -> int:
        nonlocal most
        under_way.add(number)
        most = max(most, len(under_way))
        await asyncio.sleep(0.01 * (5 - number))
        under_way.remove(number)
        return -number

    assert asyncio.run(in_pipeline(range(5), work, limit=2)) == [0, -1, -2, -3, -4]
    assert most == 2


def test_what_one_raises_is_raised() -> None:
    async def work(number: int) -> int:
        if number == 1:
            raise KeyError(number)
        return number

    with pytest.raises(KeyError):
        asyncio.run(in_pipeline(range(3), work))
