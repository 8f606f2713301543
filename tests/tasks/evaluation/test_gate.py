from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records import Evaluation, Prediction
from tasks.core.settings import settings
from tasks.evaluation.gate import judge, verdict_on

GOOD = Evaluation(
    base_loss=4.5,
    bot_loss=4.0,
    held_out_tokens=1000,
    predictions=(),
    samples=100,
    verbatim=1,
    repeated=4,
    released_loss=4.0,
    compared_loss=4.03,
    compared_posts=80,
)


def test_a_good_bot_passes_and_the_three_figures_are_told() -> None:
    gate = judge(GOOD, 0.05, 0.05)
    assert gate.passed
    assert gate.reasons == (
        "held-out loss 4.000, base 4.500: better than the base",
        (
            "4.030 against the release's 4.000 on the same 80 posts: 0.030 worse, "
            "with 0.050 worse allowed"
        ),
        "4% of 100 samples repeat training posts: below the limit of 5%",
    )
    assert str(gate).count("; ") == 2
    assert gate.figures.better_than_base == 0.5
    assert gate.figures.worse_than_released == pytest.approx(0.03)
    assert gate.figures.repeated_share == 0.04


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"bot_loss": 4.5}, 0, "not better than the base"),
        ({"bot_loss": math.nan}, 0, "not better than the base"),
        ({"compared_loss": 4.06}, 1, "0.060 worse, over the 0.050 allowed"),
        ({"compared_loss": math.inf}, 1, "inf worse, over"),
        ({"repeated": 5}, 2, "5% of 100 samples repeat training posts: not below"),
    ],
)
def test_one_fault_holds_a_bot_back(change: dict[str, float], place: int, words: str) -> None:
    gate = judge(replace(GOOD, **change), 0.05, 0.05)
    assert not gate.passed
    assert words in gate.reasons[place]
    others = [each for n, each in enumerate(gate.reasons) if n != place]
    assert others == [each for n, each in enumerate(judge(GOOD, 0.05, 0.05).reasons) if n != place]


def test_the_first_release_has_nothing_to_be_compared_with() -> None:
    first = replace(GOOD, released_loss=None, compared_loss=None, compared_posts=0)
    gate = judge(first, 0, 0.05)
    assert gate.passed
    assert gate.figures.worse_than_released is None
    assert gate.reasons[1] == "no release to compare with"


def test_a_limit_of_zero_lets_pass_what_repeats_nothing() -> None:
    assert judge(replace(GOOD, repeated=0), 0.05, 0).passed
    assert not judge(replace(GOOD, repeated=1), 0.05, 0).passed


def test_evaluations_from_before_are_judged_by_their_predictions() -> None:
    old = Evaluation(4.5, 4.0, 1000, tuple(Prediction("", "a", n < 2) for n in range(10)))
    gate = judge(old, 0.05, 0.05)
    assert not gate.passed
    assert gate.reasons[2].startswith("20% of 10 samples")


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0, 1), st.integers(0, 100))
def test_it_passes_exactly_when_all_three_hold(
    bot: float, released: float, tolerance: float, repeated: int
) -> None:
    evaluation = replace(
        GOOD, bot_loss=bot, compared_loss=bot, released_loss=released, repeated=repeated
    )
    expected = bot < 4.5 and bot - released <= tolerance and repeated < 5
    assert judge(evaluation, tolerance, 0.05).passed is expected


def test_the_settings_say_how_strict_the_gate_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict_on(GOOD).passed
    monkeypatch.setenv("HUGGINGTWEETS_GATE_TOLERANCE", "0.01")
    settings.cache_clear()
    assert not verdict_on(GOOD).passed
    monkeypatch.setenv("HUGGINGTWEETS_GATE_TOLERANCE", "0.05")
    monkeypatch.setenv("HUGGINGTWEETS_GATE_REPEATS", "0.04")
    settings.cache_clear()
    assert not verdict_on(GOOD).passed
