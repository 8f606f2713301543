"""Whatever an account calls itself stays literal text."""

from __future__ import annotations

import html
import re
import string
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.publishing.escaping import markdown, markup, plain, whole_words
from tests.tasks.publishing.examples import names

FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    return "".join(text.split())


@given(names)
def test_plain_text_has_one_line_and_nothing_that_acts(name):
    text = plain(name)
    assert not {unicodedata.category(sign) for sign in text} & FORBIDDEN
    assert not set(text) & BIDI
    assert text == text.strip()
    assert text.splitlines() in ([], [text])


@given(names)
def test_plain_text_is_plain_already(name):
    assert plain(plain(name)) == plain(name)


@given(names, st.integers(1, 40))
def test_text_is_shortened_to_the_limit(name, limit):
    import regex

    assert len(regex.findall(r"\X", plain(name, limit))) <= limit


@given(names)
def test_markup_has_no_punctuation_but_entities(name):
    bare = markup(name)
    for sign in string.punctuation:
        bare = bare.replace(f"&#{ord(sign)};", "")
    assert not set(bare) & set(string.punctuation)


@given(names)
def test_markup_is_what_a_reader_of_html_sees(name):
    assert html.unescape(markup(name)) == plain(name)


ESCAPES = pytest.mark.parametrize("escape", [markup, markdown])
# What Markdown acts on, often enough to meet.
PROSE = st.text(st.sampled_from("ab1 .-:;,+=#*_~`<>&[]()!|\\\\@/'\"$w"), max_size=12) | names


@ESCAPES
@given(name=PROSE)
def test_commonmark_shows_the_text_itself(escape, name):
    engine = MarkdownIt("commonmark", {"html": True}).enable("table")
    shown = engine.render(f"{escape(name)}\n")
    inner = shown.removeprefix("<p>").removesuffix("</p>\n")
    assert "<" not in inner
    assert html.unescape(inner).strip() == plain(name)


@ESCAPES
@given(name=PROSE)
def test_a_list_item_stays_one_item(escape, name):
    engine = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    shown = engine.render(f"- {escape(name)}\n- next\n")
    tags = [tag for tag in re.findall(r"<[^>]*>", shown) if tag not in ("<p>", "</p>")]
    assert tags == ["<ul>", "<li>", "</li>", "<li>", "</li>", "</ul>"]
    assert html.unescape(shown.split("<li>")[1].split("</li>")[0]).strip() == plain(name)


@given(PROSE)
def test_nothing_in_prose_becomes_a_link_or_a_mention(name):
    text = markdown(name)
    assert "@" not in text
    assert "://" not in text
    assert "www." not in text


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("one two three", 20, "one two three"),
        ("one two three", 13, "one two three"),
        ("one two three", 11, "one two…"),
        ("x" * 30, 10, "x" * 9 + "…"),
        ("a " + "x" * 30, 10, "a xxxxxxx…"),
    ],
)
def test_words_stay_whole(text, limit, shown):
    assert whole_words(text, limit) == shown


@ESCAPES
@given(name=PROSE)
def test_a_table_cell_stays_one_cell(escape, name):
    engine = MarkdownIt("commonmark").enable("table")
    shown = engine.render(f"| Data | {escape(name)} |\n| --- | --- |\n| a | 1 |\n")
    assert shown.count("<th>") == 2
    assert html.unescape(shown.split("<th>")[2].split("</th>")[0]) == plain(name)


@pytest.mark.parametrize(
    "kept",
    [
        "𝔀𝓪𝓷𝓭𝓮𝓻𝓮𝓻",
        "👩‍👩‍👧 🇫🇷 ❤️ 👍🏽 1️⃣",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "می‌خواهم",
        "हिन्दी ไทย 日本語 العربية שלום",
        "Tom & Jerry's <3",
    ],
)
def test_what_people_write_is_kept(kept):
    assert plain(kept) == kept


def test_long_text_ends_in_an_ellipsis_and_costs_no_time():
    started = time.perf_counter()
    assert plain("x" * 10_000, 40) == "x" * 39 + "…"
    assert len(plain("e" + "\u0301" * 1_000_000)) < 20
    assert time.perf_counter() - started < 1


def test_hidden_text_goes_and_lines_become_blanks():
    assert plain("a\x1b[31m\u202eb\u200b \n\u2028 c\U000e0041") == "a[31mb c"
    assert plain("\ud800") == "\ufffd"


def test_the_terminal_is_left_alone():
    assert plain("\x1b]0;title\x07\x1b[2Jgone\r\n\u202eback") == "]0;title[2Jgone back"
    assert plain("word " * 300, 2_000) == ("word " * 300).strip()


def test_a_chain_of_joined_emoji_is_cut_where_it_joins_nothing():
    assert plain("👩‍" * 40 + "a") == "👩‍" * 7 + "👩a"
