"""The picture: its size, that it says what it should, and that no text breaks it."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records import Prediction
from tasks.publishing import picture
from tasks.publishing.avatars import redrawn
from tasks.publishing.escaping import plain
from tasks.publishing.fonts import available_fonts
from tasks.publishing.initials import initials
from tasks.publishing.loss_curve import has_losses, render_losses
from tasks.publishing.picture import render_picture
from tests.strategies import few_examples
from tests.tasks.publishing.drawn import drawn_png
from tests.tasks.publishing.examples import HOSTILE, make_contents, names

FONTS = available_fonts(Path("no such folder"), Path("none either"))


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def with_texts(*texts: str, repeats: bool = False):
    contents = make_contents("Alice")
    predictions = tuple(Prediction("", text, repeats) for text in texts)
    return replace(contents, evaluation=replace(contents.evaluation, predictions=predictions))


@pytest.mark.parametrize("people", [["Alice"], ["A", "B"], ["A", "B", "C"]])
def test_a_png_of_1200_by_630_that_is_the_same_every_time(people):
    contents = make_contents(*people)
    png = render_picture(contents, FONTS)
    assert size(png) == (1200, 630)
    assert render_picture(contents, FONTS) == png


def test_names_and_predictions_are_in_it():
    pictures = [
        render_picture(make_contents("Alice"), FONTS),
        render_picture(make_contents("Alicf"), FONTS),
        render_picture(with_texts("one thing"), FONTS),
        render_picture(with_texts("one think"), FONTS),
        render_picture(with_texts("one thing", repeats=True), FONTS),
    ]
    assert len(set(pictures)) == len(pictures)


def test_repeated_posts_and_a_fifth_one_are_not_shown():
    four = with_texts("a", "b", "c", "d")
    five = with_texts("a", "b", "c", "d", "e")
    assert render_picture(four, FONTS) == render_picture(five, FONTS)
    assert render_picture(with_texts("a", repeats=True), FONTS) == render_picture(
        with_texts(), FONTS
    )


def test_different_starts_come_first():
    predictions = [Prediction(start, f"{start}{i}", False) for start in "ab" for i in range(4)]
    contents = make_contents("Alice")
    evaluation = replace(contents.evaluation, predictions=tuple(predictions))
    wanted = with_texts("a0", "b0", "a1", "a2")
    shown = render_picture(replace(contents, evaluation=evaluation), FONTS)
    assert shown == render_picture(wanted, FONTS)


@few_examples
@given(names, names)
def test_any_text_gives_a_picture(name, text):
    contents = make_contents(name)
    evaluation = replace(contents.evaluation, predictions=(Prediction("", text, False),))
    assert size(render_picture(replace(contents, evaluation=evaluation), FONTS)) == (1200, 630)


def test_markup_in_a_text_is_drawn_not_obeyed():
    drawn = render_picture(with_texts("<div style='background: red'>hello</div>"), FONTS)
    assert drawn != render_picture(with_texts("hello"), FONTS)


@pytest.mark.parametrize(
    ("text", "from_the_right"),
    [
        ("حلمي أن أكتب", True),
        ("שלום 2024!", True),
        ("mostly English, one كلمة", False),
        ("日本語", False),
        ("123 🎉", False),
    ],
)
def test_the_side_that_a_text_is_read_from(text, from_the_right):
    assert picture.is_right_to_left(text) is from_the_right


def test_an_avatar_is_shown_and_the_others_have_initials():
    two = make_contents("Alice", "Bob")
    face = redrawn(drawn_png(40, 40))
    shown = [replace(two, avatars=avatars) for avatars in ({}, {"bob": face}, {"alice": face})]
    pictures = {render_picture(each, FONTS) for each in shown}
    assert len(pictures) == 3
    assert all(size(png) == (1200, 630) for png in pictures)
    assert render_picture(replace(two, avatars={"carol": face}), FONTS) in pictures


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_acts_is_not_drawn(hostile):
    shown = plain(hostile, 150)
    assert render_picture(with_texts(hostile), FONTS) == render_picture(with_texts(shown), FONTS)
    named, tame = make_contents(hostile), make_contents(plain(hostile) or "alice")
    assert render_picture(named, FONTS) == render_picture(tame, FONTS)


@few_examples
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.floats(), st.none() | st.floats()), max_size=6),
    st.floats(),
)
def test_any_losses_give_a_curve_or_none(history, base_loss):
    contents = make_contents("Alice")
    contents = replace(
        contents,
        checkpoint=replace(contents.checkpoint, history=tuple(history)),
        evaluation=replace(contents.evaluation, base_loss=base_loss),
    )
    png = render_losses(contents, FONTS)
    assert (png is not None) is has_losses(contents)
    assert png is None or size(png) == (720, 360)


def test_the_curve_shows_the_losses():
    contents = make_contents("Alice")
    changed = replace(contents.checkpoint, history=((1000, 4.0, 3.8), (2000, 3.5, 3.2)))
    png = render_losses(contents, FONTS)
    assert png == render_losses(contents, FONTS)
    assert png != render_losses(replace(contents, checkpoint=changed), FONTS)
    assert len(png) < 30_000


@pytest.mark.parametrize(
    ("name", "people", "expected"),
    [("Ada Lovelace", 1, "AL"), ("ada", 1, "A"), ("山田 太郎", 1, "山"), ("🎉 !", 1, "🤖"),
     ("Ada Lovelace", 2, "A"), ("", 1, "A")],
)  # fmt: skip
def test_initials_stand_in_for_an_avatar(name, people, expected):
    profile = make_contents(name).profiles[0]
    assert initials(profile, 2 if people == 1 else 1) == expected
