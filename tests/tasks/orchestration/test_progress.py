"""What a training reports is found again in the artifact that holds it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import Artifact

from tasks.core.names import Bot
from tasks.core.records import Progress
from tasks.orchestration.progress import as_metadata, describe, progress_in

LOSSES = st.floats(0, 99) | st.just(math.nan) | st.just(math.inf)


@given(st.integers(0, 10**12), st.floats(0, 1e7), LOSSES, st.none() | LOSSES, st.floats(0, 1e6))
def test_an_artifact_holds_the_whole_progress(
    done: int, speed: float, loss: float, held_out: float | None, left: float
) -> None:
    progress = Progress(done, 10**12, speed, loss, held_out, left)
    found = progress_in(Artifact(type="progress", data=1.0, metadata_=as_metadata(progress)))
    assert repr(found) == repr(progress)  # nan is not equal to itself


@pytest.mark.parametrize("metadata", [None, {}, {"done": "1"}, {"done": "x", "total": "y"}])
def test_other_artifacts_hold_none(metadata: dict[str, str] | None) -> None:
    assert progress_in(Artifact(type="progress", data=1.0, metadata_=metadata)) is None


def test_a_narrow_terminal_shows_what_matters_and_the_end_has_no_time_left() -> None:
    bot = Bot.parse("alice")
    line = describe(bot, Progress(59, 100, 47.2, 2.974, 4.982, 51.0))
    assert line == "@alice training 59 % · 0:51 left · loss 2.974 · held-out 4.982 · 47 tokens/s"
    assert len(line) < 80
    assert "left" not in describe(bot, Progress(100, 100, 47.2, 2.974, 4.982, 0.0))
