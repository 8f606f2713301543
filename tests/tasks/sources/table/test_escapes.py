from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.table.escapes import LAYERS, EscapeSurvey
from tests.strategies import texts

BYTES, TWICE, R, CODES, MARKUP, HTML, BREAKS = LAYERS
whole_texts = texts.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))


def surveyed(*texts: str) -> tuple[list[str], str]:
    """The texts as they are read, and what is said of them."""
    survey = EscapeSurvey()
    for text in texts:
        survey.look(text)
    layers, notices = survey.result("a.csv")
    found = list(texts)
    for layer in layers:
        found = [layer.undo(text) for text in found]
    return found, "; ".join(notices)


@pytest.mark.parametrize(
    ("layer", "escaped", "text"),
    [
        (BYTES, r"b'it\xe2\x80\x99s \xf0\x9f\x98\x82\nnext'", "it’s 😂\nnext"),
        (BYTES, 'b"it\'s"', "it's"),
        (BYTES, r"b'a \' b \\n'", r"a ' b \n"),
        (BYTES, "b'a' and b'c'", "b'a' and b'c'"),
        (BYTES, r"b'\xff'", r"b'\xff'"),
        (BYTES, r"b'\q'", r"b'\q'"),
        (TWICE, "itâ€™s fine ðŸ˜‚ cafÃ© — né", "it’s fine 😂 café — né"),
        (TWICE, "â€œquotedâ€\x9d", "“quoted”"),
        (TWICE, "cafÃƒÂ©", "café"),
        (TWICE, "café, naïve, 日本, Ä", "café, naïve, 日本, Ä"),
        (R, "<U+0001F602> don<U+2019>t", "😂 don’t"),
        (R, "<ed><U+00A0>", "<ed>\xa0"),
        (R, "<U+D83D><U+DE02> <ed><a0><bd><ed><b8><82> <f0><9f><98><82>", "😂 😂 😂"),
        (R, "<U+FFFFFFFF> <br> <dd>", "<U+FFFFFFFF> <br> <dd>"),
        (CODES, r"don\u2019t \ud83d\ude02", "don’t 😂"),
        (CODES, r"C:\users \u12", r"C:\users \u12"),
        (MARKUP, '<p>one<br>two</p><p dir="ltr">1 &lt; 2</p>', "one\ntwo\n\n1 < 2"),
        (MARKUP, "<pre> and <p", "<pre> and <p"),
        (HTML, "1 &amp;lt; 2 &amp;amp; 3 &amp;#39;", "1 &lt; 2 &amp; 3 &#39;"),
        (HTML, "you &amp; me", "you &amp; me"),
        (BREAKS, r"one\ntwo\r\nthree", "one\ntwo\nthree"),
        (BREAKS, r"C:\\new", r"C:\\new"),
    ],
)
def test_each_layer_is_undone(layer, escaped: str, text: str):
    assert layer.undo(escaped) == text


def test_layers_are_undone_from_the_outside():
    inner = "it’s <b>".encode().decode("cp1252")
    rows = [str(f"{inner}{number}".encode()) for number in range(9)]
    found, notices = surveyed(*rows)
    assert found[0] == "it’s <b>0"
    assert "b'…'" in notices
    assert "Windows-1252" in notices


def test_what_only_some_texts_show_stays_and_is_said():
    found, notices = surveyed(r"b'quoted code'", *["an ordinary text"] * 30)
    assert found[0] == r"b'quoted code'"
    assert "1 of 31 posts show Python's notation of bytes" in notices
    found, notices = surveyed("cafÃ©", *["café"] * 30)
    assert found[0] == "cafÃ©"
    assert "1 of 31 posts show UTF-8 read as Windows-1252" in notices


def test_texts_without_any_special_letter_do_not_speak_against_a_layer():
    found, _ = surveyed("don<U+2019>t", *["plain"] * 100)
    assert found[0] == "don’t"
    found, _ = surveyed("cafÃ©", *["plain"] * 100)
    assert found[0] == "café"


def test_a_post_about_line_breaks_makes_no_table_of_them():
    assert surveyed(r"use \n here", *["plain"] * 100)[0][0] == r"use \n here"
    many = [rf"one\ntwo {number}" for number in range(5)]
    assert surveyed(*many, "real\nbreak", "plain")[0][0] == many[0]
    assert surveyed(*many, "plain")[0][0] == "one\ntwo 0"


@given(st.lists(whole_texts, min_size=5, max_size=20))
def test_any_texts_survive_their_escapes(texts: list[str]):
    assert surveyed(*(str(text.encode()) for text in texts))[0] == surveyed(*texts)[0]


@given(st.lists(whole_texts, max_size=20))
def test_every_text_is_read_in_some_way(texts: list[str]):
    found, _ = surveyed(*texts, *(json.dumps(text) for text in texts))
    assert len(found) == 2 * len(texts)
