"""The names of artifacts, and the figures that may be logged."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.names import MAX_NAME
from tasks.core.records import Base, Evaluation, Prediction
from tasks.tracking.artifact_specs import artifact_name, figures_of, pretrained_model


@given(st.text(max_size=300))
def test_every_name_is_one_that_is_taken(text):
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", artifact_name(text))


def test_long_names_stay_different():
    one, two = (artifact_name("dataset-" + "a" * MAX_NAME + end) for end in "xy")
    assert one != two
    assert one.startswith("dataset-aaa")


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("openai-community/gpt2", "gpt2"),
        ("gpt2", "gpt2"),
        ("somebody/gpt2", "somebody-gpt2"),
        ("embedded", "embedded"),
        ("/home/me/private/my base", "my-base"),
        ("~/bases/small", "small"),
    ],
)
def test_a_base_is_named_without_the_way_to_it(base, name):
    artifact_spec = pretrained_model(Base(base, "/somewhere", "607a", "said so"))
    assert artifact_spec.name == name
    assert "private" not in str(artifact_spec.files())


def test_figures_are_numbers_and_no_posts():
    evaluation = Evaluation(4.0, 3.0, 50, (Prediction("I", "I said", repeats=True),))
    figures = figures_of(evaluation)
    assert figures["base_loss"] == 4.0
    assert figures["repeated_share"] == 1.0
    assert "I said" not in str(figures)
