from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BadInput, InvalidHandle
from tasks.records import Bot, Counts, Evaluation, Handle, Prediction, Spec, digest
from tests.strategies import handles


@pytest.mark.parametrize("text", ["../../etc", "a" * 16, "", "a b", "a-b", "é", "a/b", "@@a"])
def test_what_no_account_can_be_called_is_refused(text: str) -> None:
    with pytest.raises(InvalidHandle, match="letters, digits or underscores"):
        Handle.parse(text)
    with pytest.raises(InvalidHandle):
        Handle(f"a\n{text}")


def test_a_handle_is_forgiven_its_at_sign_blanks_and_capitals() -> None:
    assert Handle.parse(" @ElonMusk ") == Handle("elonmusk")


@given(st.text())
def test_a_parsed_handle_is_always_a_safe_file_name(text: str) -> None:
    try:
        name = Handle.parse(text).name
    except InvalidHandle:
        return
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert 1 <= len(name) <= 15


@given(st.lists(handles, min_size=1, max_size=3))
def test_a_bot_is_named_after_its_handles_in_any_order(made_of: list[Handle]) -> None:
    bots = {Bot.parse("-".join(h.name for h in order)) for order in (made_of, made_of[::-1])}
    assert len(bots) == 1
    bot = bots.pop()
    assert Bot.parse(bot.name) == bot


@pytest.mark.parametrize("text", ["a-b-c-d", "", "a--b", "../x"])
def test_what_is_no_bot_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Bot.parse(text)


def test_a_bot_keeps_its_handles_sorted_and_different() -> None:
    with pytest.raises(BadInput, match="sorted"):
        Bot((Handle("b"), Handle("a")))


def test_counts_must_add_up() -> None:
    assert Counts(3, 1, {"retweet": 2}).kept == 1
    with pytest.raises(AssertionError):
        Counts(3, 1, {"retweet": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"schedule": "step"},
        {"precision": "fp16"},
        {"warmup": 1.0},
        {"weight_decay": -1.0},
    ],
)
def test_a_spec_that_cannot_be_trained_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Spec(**wrong)


def test_the_digest_follows_content_alone() -> None:
    assert digest(Bot.parse("b-a"), {"x": 1, "y": 2}) == digest(Bot.parse("a-b"), {"y": 2, "x": 1})
    assert digest(Spec()) != digest(Spec(seed=1))
    assert digest(datetime(2026, 1, 1, tzinfo=UTC)) != digest(datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(TypeError):
        digest(object())


def test_the_repeated_share_counts_predictions() -> None:
    told = (Prediction("I", "I am", True), Prediction("I", "I was", False))
    assert Evaluation(2.0, 1.0, 10, told).repeated_share == 0.5
    assert Evaluation(2.0, 1.0, 10, ()).repeated_share == 0.0
