"""No text costs a filter more time or memory than its length allows, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records import Counts
from tests.bounded import Limits, read_bounded
from tests.strategies import fixture_shared_by_examples
from tests.tasks.curation.readers import filter_both, filter_classic, filter_modern

FILTERS = [filter_classic, filter_modern]
LIMITS = Limits(bytes_per_byte=50)
LONG = 20_000  # characters, which X allows: what takes quadratic time, takes seconds


def counts(run: Callable[[Path], Counts], path: Path, texts: list[str]) -> Counts:
    path.write_text(json.dumps(texts), encoding="utf-8")
    ending = read_bounded(run, path, LIMITS)
    assert isinstance(ending.result, Counts)
    assert ending.result.downloaded == len(texts)
    return ending.result


@pytest.mark.parametrize("run", FILTERS)
def test_a_post_of_nothing_but_signs(tmp_path: Path, run: Callable[[Path], Counts]):
    texts = [sign * (LONG // len(sign)) for sign in ("<|", "@", "…", "(", "&", "&#0", ":)", "😂")]
    found = counts(run, tmp_path / "a.json", texts)
    assert found.kept == 0
    assert found.dropped["short"] == len(texts)


@pytest.mark.parametrize("run", FILTERS)
def test_posts_longer_than_any_are_counted_as_that(tmp_path: Path, run: Callable[[Path], Counts]):
    texts = ["word " * 5_000, "word " * 5_001, "&amp; " * 5_000 + "such a word", "new " * 250_000]
    found = counts(run, tmp_path / "a.json", texts)
    assert found == Counts(4, 2, {"retweet": 0, "short": 0, "too long": 2})


SIGNS = """<| |> < </ a_ _a a 1 [ ] ( ) 「 “ " @ ＠ @a # & &amp; &# &#0 &#x 0 amp; http:// https://t.co/
    http://( www. . www.a( pic.x.com/ … , ' / - | * 日 ก ー :) : <3 RT rt RT: é © 😂 👍🏽 👩 🏴 🇫"""
JOINERS = [
    " ",
    "\n",
    "\u200b",
    "\u200d",
    "\ufe0f",
    "\u20e3",
    "\U000e0061",
    "\u0627\u200c",
    "\ufffd",
]
UNITS = st.lists(st.sampled_from(SIGNS.split() + JOINERS), min_size=1, max_size=3).map("".join)


@fixture_shared_by_examples
@given(before=UNITS, repeated=UNITS, after=UNITS)
def test_any_text_that_repeats_itself(tmp_path: Path, before: str, repeated: str, after: str):
    text = before + repeated * (LONG // len(repeated)) + after
    (tmp_path / "a.json").write_text(json.dumps([f"{text}{n}" for n in range(4)]), "utf-8")
    ending = read_bounded(filter_both, tmp_path / "a.json", replace(LIMITS, seconds=3))
    assert [each.downloaded for each in ending.result] == [4, 4]
