"""What a rule to end a training chooses on made-up curves, and how several seeds are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.epoch_rules import RULES, print_tables
from tests.benchmarks.epochs import Curve, Point

EARLIER, PRESENT = "2 epochs, halves, patience 1", "… and once from 20,000 tokens"


def curve(*losses: float, seed: int = 0) -> Curve:
    """Two epochs on one held-out post of one token; a quarter of one trains for 10 s."""
    points = [Point(n, n, 10.0 * n, 1.0, [loss]) for n, loss in enumerate(losses, start=1)]
    return Curve("some", 2, seed, 9, 1, 90, 4, [1], [6.0], points)


def test_training_ends_after_two_quarters_that_gain_too_little() -> None:
    chosen = RULES[PRESENT]({2: curve(5.5, 5.0, 4.7, 4.5, 4.49, 4.485, 4.3, 4.2)})
    assert (chosen.loss, chosen.seconds, chosen.epochs) == (4.485, 64.0, 1.5)


def test_a_large_corpus_is_trained_on_for_one_epoch() -> None:
    large = replace(curve(5.5, 5.0, 4.7, 4.5, 4.4, 4.3, 4.2, 4.1), epoch_tokens=20_000)
    chosen = RULES[PRESENT]({2: large})
    assert (chosen.loss, chosen.seconds, chosen.epochs) == (4.5, 42.0, 1.0)


def test_the_earlier_rule_measured_every_half() -> None:
    chosen = RULES[EARLIER]({2: curve(5.5, 5.0, 4.7, 4.5, 4.49, 4.6, 4.3, 4.55)})
    assert (chosen.loss, chosen.seconds, chosen.epochs) == (4.5, 84.0, 2.0)


def test_seeds_of_a_corpus_do_not_replace_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    falling = (5.5, 5.0, 4.7, 4.5, 4.4, 4.3, 4.2)
    print_tables([curve(*falling, 4.111), curve(*falling, 4.222, seed=1)], ["some"])
    shown = capsys.readouterr().out
    assert "4.111" in shown
    assert "4.222" in shown
    assert "some, seed 1 (left out)" in shown
