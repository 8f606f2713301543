"""What a line of a training's log says is found in it again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.names import Bot
from tasks.core.records import Progress
from tasks.orchestration.progress import describe, described

LOSSES = st.floats(0, 99) | st.just(math.nan) | st.just(math.inf)
BOTS = st.sampled_from(["alice", "alice-bob", "alice.bsky.social_bob.example.com"])


@given(BOTS, st.integers(0, 1000), st.floats(0, 1e7), LOSSES, st.none() | LOSSES, st.floats(0, 1e6))
def test_a_line_is_understood(
    name: str, done: int, speed: float, loss: float, held_out: float | None, left: float
) -> None:
    bot = Bot.parse(name)
    line = describe(bot, Progress(done, 1000, speed, loss, held_out, left))
    found = described(line)
    assert found is not None
    assert found[0] == bot
    assert describe(bot, found[1]) == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "training in fp32 on cpu",
        "@alice training",
        "@alice training 5 % · loss x",
        "@" * 10_000,
    ],
)
def test_other_lines_are_not(line: str) -> None:
    assert described(line) is None
