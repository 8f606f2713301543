from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.memorisation import find_repeats
from tests.sample_posts import sentences

POST = "the last train of the night is always full of people who sing to their keys"
TRAINED = [POST, "green tea\nand   small islands", "短い夏の夜に静かな月が歌を歌うのを聞いた"]


def found(text: str) -> tuple[bool, bool]:
    (repeats,) = find_repeats([text], TRAINED)
    return repeats.verbatim, repeats.nearly


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POST, (True, True)),
        (POST.upper().replace(" ", "  "), (True, True)),
        ("always full of people", (True, False)),  # too short for an 8-gram
        ("Green tea and small islands", (True, False)),
        ("islands the last train", (False, False)),  # not across two posts
        (f"{POST}, and oh!", (False, True)),  # 9 of its 11 8-grams
        (f"{POST} and then they all went home to sleep", (False, False)),  # 9 of 18
        ("the last train sings about warm rain and the radio of a quiet moon", (False, False)),
        ("短い夏の夜に静かな月が歌を歌うのを見た", (False, True)),
        ("短い冬の朝に静かな猫が魚を食べるのを見た", (False, False)),
        ("", (True, False)),  # the empty text stands in all
    ],
)
def test_what_repeats_a_post(text: str, expected: tuple[bool, bool]) -> None:
    assert found(text) == expected


@given(st.lists(st.text(max_size=80), max_size=5), st.lists(st.text(max_size=80), max_size=8))
def test_every_training_post_repeats_itself_and_more_posts_never_find_less(
    texts: list[str], posts: list[str]
) -> None:
    assert all(each.verbatim for each in find_repeats(posts, posts))
    fewer, more = find_repeats(texts, posts), find_repeats(texts, [*posts, *texts])
    assert all(more)
    assert all(not few or many for few, many in zip(fewer, more, strict=True))


def test_a_hundred_samples_against_many_posts_take_no_time() -> None:
    posts = sentences(20_000)
    draw = random.Random(1)
    samples = [draw.choice(posts) if n % 10 == 0 else f"{posts[n]} x{n}" for n in range(100)]
    started = time.process_time()
    repeats = find_repeats(samples, posts)
    assert time.process_time() - started < 5  # some 0.3 s; a comparison of all pairs takes minutes
    assert sum(each.verbatim for each in repeats) == 10
