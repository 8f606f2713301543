"""What becomes of a text under `modern`."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.curation.cleaning import clean_text
from tasks.curation.invisible import remove_invisible
from tasks.curation.special_tokens import remove_special_tokens

_PIECES = st.sampled_from(
    [
        *(
            "<|",
            "|>",
            "<",
            ">",
            "</",
            "s",
            "endoftext",
            "im_start",
            "[",
            "]",
            "INST",
            "/",
            "_",
            "｜",
        ),
        *(
            "&amp;",
            "&lt;",
            "&#38;",
            "&#x26;",
            "&",
            "lt;",
            "#60;",
            "amp;",
            "AMP;",
            "&nbsp;",
            "quot;",
        ),
        *(
            "http://",
            "https://t.co/",
            "HTTPS://a.b/",
            "www.",
            "a.com",
            "…",
            "(",
            ")",
            ".",
            "é",
            "日",
        ),
        *(
            "@a",
            "@b ",
            "@c ",
            "\u200d",
            "\u200b",
            "\u202e",
            "\x00",
            "\n",
            " ",
            "😂",
            "🏽",
            "\ufe0f",
        ),
    ]
)
texts = st.lists(_PIECES | st.text(max_size=2), max_size=14).map("".join)
MODEL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<pad>"]
MODEL_TOKENS += ["<file_sep>", "<jupyter_text>", "<repo_name>", "[INST]", "[/INST]", "<<SYS>>"]
MODEL_TOKENS += ["<start_of_turn>", "<extra_id_0>", "<｜begin▁of▁sentence｜>", "<bos>", "[MASK]"]


@given(texts | st.text())
@example("&am\u200bp;#60;s>")
def test_cleaning_twice_is_cleaning_once(text: str):
    assert clean_text(clean_text(text)) == clean_text(text)


@given(texts | st.text())
def test_nothing_that_must_go_survives(text: str):
    cleaned = clean_text(text)
    assert remove_special_tokens(cleaned) == cleaned
    assert "http://" not in cleaned.lower()
    assert cleaned == " ".join(cleaned.split())
    assert not {"\x00", "\u200b", "\u202e", "\uffff"} & set(cleaned)


@given(texts | st.text(st.characters(max_codepoint=126)))
def test_the_short_cut_for_plain_texts_changes_nothing(text: str):
    the_long_way = clean_text(f"{text}\u200b")
    assert clean_text(text) == the_long_way


@given(texts)
@pytest.mark.parametrize("token", MODEL_TOKENS)
def test_no_special_token_survives(token: str, text: str):
    for hidden in (token, token.replace("<", "&lt;"), token[:3] + "\u200b" + token[3:]):
        assert token not in clean_text(text + hidden + text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("so true https://t.co/AbCd012345", "so true"),
        ("https://t.co/AbCd012345 so true", "so true"),
        ("see https://t.co/AbCd012345!", "see!"),
        ("読んだ https://t.co/AbCd012345、面白い", "読んだ、面白い"),
        ("見てhttps://t.co/AbCd012345面白い", "見て 面白い"),
        ("lolhttps://t.co/AbCdhttps://t.co/EfGh", "lol"),
        ("great (https://t.co/AbCd012345) text", "great text"),
        ("(https://…) great", "great"),
        ("great (via https://t.co/AbCd012345)", "great (via)"),
        ("great (https://t.co/AbCd012345 via me)", "great (via me)"),
        ("he said “https://t.co/AbCd012345” again", "he said again"),
        ("[ http://a.b/c http://d.e/f ] links", "links"),
        ("use mutate() and [] from http://a.b/c", "use mutate() and [] from"),
        ("HTTP://EXAMPLE.COM/A and Https://b.c", "and"),
        ("go to www.example.com/a?b=1&c=2, then", "go to, then"),
        ("awww.so cute", "awww.so cute"),
        ("wiki https://en.wikipedia.org/wiki/Set_(math) here", "wiki here"),
        ("http://müller.de/ä is fine", "is fine"),
        ("a cat pic.twitter.com/AbCd012345", "a cat"),
        ("the http: scheme", "the http: scheme"),
        ('"quoted https://t.co/AbCd012345"', '"quoted"'),
    ],
)
def test_links_go_and_the_text_around_them_stays(text: str, cleaned: str):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("&quot;it&#39;s&quot; &amp; &hellip;", '"it\'s" & …'),
        ("AT&amp;amp;T", "AT&T"),
        ("&amp;amp;amp;lt;3", "<3"),
        ("&AMP;#x27;s", "'s"),
        ("AT&T; R&D &nothing; &copy", "AT&T; R&D &nothing; &copy"),
        ("a&nbsp;b&#0;c&#8203;d", "a b\ufffdcd"),
        ("&lt;|endoftext|&gt; hello", "hello"),
    ],
)
def test_entities_are_decoded(text: str, cleaned: str):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("one\ntwo\r\n\tthree\u2028four", "one two three four"),
        ("a\u202eb\u2066c\u200ed\ufeffe\u00adf\u200bg\x07h", "abcdefgh"),
        ("👩\u200d💻 👍🏽 ❤\ufe0f 🏳\ufe0f\u200d🌈", "👩\u200d💻 👍🏽 ❤\ufe0f 🏳\ufe0f\u200d🌈"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("a\u200db\u200cc", "abc"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4\U000e0067\U000e0062\U000e007f"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("葛\U000e0100飾", "葛\U000e0100飾"),
        ("x\ufe0f\ufe00y", "xy"),
        ("\u3164 \u2800", ""),
        ("\u0600\u0661", "\u0600\u0661"),
    ],
)
def test_what_nobody_sees_goes_unless_it_forms_what_one_sees(text: str, cleaned: str):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("@a @b hello there", "@a @b hello there"),
        ("@a @b @c hello there", "hello there"),
        (".@a @b, @c: @d\nhello there", "hello there"),
        ("hello @a @b @c", "hello @a @b @c"),
        ("@a @b @c", ""),
        ("@a@b@c.org hello", "@a@b@c.org hello"),
    ],
)
def test_three_leading_mentions_go(text: str, cleaned: str):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a <|endoftext|> in a post", "a in a post"),
        ("<<|im_start|>|im_end|>", "< |im_end|>"),
        ("x |> f() <| y, a <- b, <b>bold</b> </rant>", None),
        ("[citation needed] [X]", None),
    ],
)
def test_special_tokens_go_and_what_resembles_them_stays(text: str, cleaned: str | None):
    assert clean_text(text) == (text if cleaned is None else cleaned)


def nested_entities(depth: int) -> str:
    """Each entity decodes to a digit that completes the one around it."""
    text = "1"
    for place in range(depth):
        text = f"&#{'55554'[place % 5]}{text};"
    return text


def test_a_text_that_does_not_settle_is_nothing():
    assert clean_text(nested_entities(5)) == "1"
    assert clean_text(nested_entities(50)) == ""


@pytest.mark.parametrize(
    "unit",
    [
        "http://a.b ",
        "&amp;",
        "<|",
        "http://a(",
        "@a ",
        "\u200b",
        "😂",
        "RT ",
        '"@',
        "<a_",
        "&#38;#",
    ],
)
def test_hostile_lengths_take_no_long_time(unit: str):
    started = time.perf_counter()
    clean_text(unit * (300_000 // len(unit)))
    assert time.perf_counter() - started < 10


def test_the_quick_look_sees_every_hidden_character():
    blocks = range(0x3200), range(0xD7B0, 0x11100), range(0x1D100, 0x1D200), range(0xE0000, 0xE1000)
    characters = [chr(c) for block in blocks for c in block]
    quick = [c for c in characters if remove_invisible(c) != remove_invisible(f"{c}\u200b")]
    assert quick == []
    assert sum(remove_invisible(c) == "" for c in characters) > 4_000
