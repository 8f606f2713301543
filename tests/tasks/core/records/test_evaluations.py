from __future__ import annotations

import math

import pytest

from tasks.core.records import Evaluation, Prediction


def test_the_repeated_share_counts_predictions() -> None:
    predictions = (Prediction("I", "I am", True), Prediction("I", "I was", False))
    assert Evaluation(2.0, 1.0, 10, predictions).repeated_share == 0.5
    assert Evaluation(2.0, 1.0, 10, ()).repeated_share == 0.0
    assert Evaluation(2.0, 1.0, 10, predictions, samples=100, repeated=3).repeated_share == 0.03


def test_a_perplexity_is_a_finite_number_or_none() -> None:
    found = Evaluation(math.log(3.0), 800.0, 10, ())
    assert found.base_perplexity == pytest.approx(3.0)
    assert found.bot_perplexity is None
    assert Evaluation(math.nan, math.inf, 10, ()).base_perplexity is None
