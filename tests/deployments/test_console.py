"""What an account wrote, on the terminal: it is read, and acts on nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from deployments import console
from tasks.publishing.escaping import plain
from tasks.records import Evaluation, Outcome, Prediction, Status
from tests.tasks.publishing.examples import HOSTILE, names

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printed(prints: Callable[[], None]) -> str:
    with console.out.capture() as capture:
        prints()
    return capture.get()


def acts(text: str) -> set[str]:
    """The characters that a terminal would obey, line ends aside."""
    return {
        sign for sign in text if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}
    } - {"\n"} | BIDI & set(text)  # fmt: skip


def predicted(text: str) -> str:
    evaluation = Evaluation(4.0, 3.0, 10, (Prediction("", text, False),))
    return printed(lambda: console.print_predictions(evaluation, ""))


@given(names)
@settings(max_examples=60)
def test_nothing_that_an_account_writes_acts(text: str) -> None:
    outcome = Outcome("alice", Status.FAILED, text, "2026-01-02T03:04:05+00:00")
    tables = printed(lambda: console.print_outcomes([outcome]))
    tables += printed(lambda: console.print_table("Posts", [{"text": text, "number": 1}]))
    assert not acts(tables)
    assert not acts(predicted(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_prediction_stays_on_its_line_as_it_is_read(text: str) -> None:
    assert predicted(text) == f"  · {plain(text, 2_000)}\n"
