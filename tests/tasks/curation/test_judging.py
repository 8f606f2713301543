"""Which posts are quotes, too short, in another language, or said before."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tasks.curation.duplicates import is_duplicate, is_unique
from tasks.curation.languages import is_other_language
from tasks.curation.length import is_short
from tasks.curation.quoting import is_quoting


@pytest.mark.parametrize(
    "text",
    [
        "RT @x: this is it",
        "so true RT @x: this is it",
        "面白いRT @x: this",
        "ha MT @x this",
        "rt @x this is it",
        '"@x: this is it" so true',
        "so true “@x: this is it”",
        "„@x: das ist es“",
    ],
)
def test_quoting_by_hand_is_seen(text: str):
    assert is_quoting(text)


@pytest.mark.parametrize(
    "text",
    [
        "I asked @x: is this it",
        "START @x now",
        "please rt this, @x",
        'she said "hello" to @x',
        "an art @x made",
        "RT this please",
    ],
)
def test_talking_to_somebody_is_no_quoting(text: str):
    assert not is_quoting(text)


@pytest.mark.parametrize(
    "text",
    [
        "one two three",
        "@you well-known 5.30 it's",
        "I know :)",
        "今日はとても寒い",
        "วันนี้อากาศดีมากเลย",
        "오늘 날씨 너무 좋다",
        "🎉🥳🎂",
        "lol 😂 nice",
        "🇫🇷 🇩🇪 🇯🇵",
        "👩\u200d💻 👍🏽 ❤\ufe0f",
        "C# is great",
        "@you 寒いですね本当",
    ],
)
def test_long_enough_in_its_script(text: str):
    assert not is_short(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one two",
        "@you @me @them hello",
        "#a #b #c #d",
        "one - … two",
        "はい",
        "ありがとう",
        "ครับผม",
        "😂😂😂😂",
        "😂 😂 😂",
        ":) :) :)",
        "👩\u200d💻👍🏽",
        "#寒いですね本当",
        "© ® ™",
    ],
)
def test_too_short_in_its_script(text: str):
    assert is_short(text)


def test_only_known_other_languages_are_told():
    languages = ["en", "en-GB", "EN_us", "ja", None, "und", "zxx", "in", "pt-BR", ""]
    found = is_other_language(pa.chunked_array([languages]), ("en", "ID", "pt"))
    assert found.tolist() == [False, False, False, True, *[False] * 6]


def test_the_first_of_the_same_texts_is_no_repetition():
    texts = pa.array(["a b", "A B", "c", "É", "é", "a b"])
    assert is_duplicate(texts).tolist() == [False, True, False, False, True, True]
    assert is_unique(texts).tolist() == [False, False, True, False, False, False]
    assert is_duplicate(pa.array([], pa.string())).tolist() == []
