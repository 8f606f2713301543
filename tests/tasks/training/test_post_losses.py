"""What is known of single posts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.training.post_losses import MOST_WEIGHTS, PostLosses, weights_name

documents = st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=6), max_size=12)


def measured(asked: list[list[int]]) -> list[float]:
    return [sum(document) + 0.1 * len(document) for document in asked]


@given(documents, documents)
def test_losses_are_those_of_the_documents_whatever_was_known(
    before: list[list[int]], now: list[list[int]]
) -> None:
    losses, asked = PostLosses(), []

    def measure(new: Sequence[list[int]]) -> list[float]:
        asked.extend(new)
        return measured(list(new))

    assert losses.each("w", before, measure) == measured(before)
    again = PostLosses(losses.known)
    asked.clear()
    assert again.each("w", now, measure) == measured(now)
    assert not [document for document in asked if document in before], "measured before"
    assert len(again.used["w"]) == len(set(map(tuple, now)))
    assert again.each("other", before, measure) == measured(before)
    assert set(before and asked and map(tuple, before)) <= set(map(tuple, asked)), "other weights"


def test_weights_are_known_by_what_they_are_and_compute_in() -> None:
    names = {
        weights_name(*words)
        for words in (("fp32", "a"), ("bf16", "a"), ("fp32", "b"), ("fp32", "a", "b"))
    }
    assert len(names) == 4


def test_unnamed_weights_are_measured_and_not_kept() -> None:
    losses = PostLosses()
    assert losses.each("", [[1, 2]], measured) == measured([[1, 2]])
    assert (losses.known, losses.used) == ({}, {})


def test_what_is_no_number_is_not_kept() -> None:
    losses = PostLosses()
    (found,) = losses.each("w", [[1, 2]], lambda _: [math.inf])
    assert math.isnan(found)
    assert losses.each("w", [[1, 2]], measured) == measured([[1, 2]])


def test_the_oldest_weights_go() -> None:
    losses = PostLosses({"first": {"a": 1.0}})
    for number in range(MOST_WEIGHTS):
        losses.each(f"w{number}", [[number, 1]], measured)
    assert len(losses.known) == MOST_WEIGHTS
    assert "first" not in losses.known
    losses.each("w7", [[7, 1]], lambda _: pytest.fail("it is known"))
