"""What an account wrote, on the terminal: it is read, and acts on nothing."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import console
from deployments.console_log import TerminalFormatter, TerminalHandler, show_progress
from tasks.core.records import Evaluation, Outcome, Prediction, Status
from tasks.publishing.escaping import plain, visible_json
from tests.tasks.publishing.examples import HOSTILE, names

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printed(prints: Callable[[], None]) -> str:
    with redirect_stdout(StringIO()) as out:
        prints()
    return out.getvalue()


def acts(text: str) -> set[str]:
    """The characters that a terminal would obey, line ends aside."""
    return {
        sign for sign in text if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}
    } - {"\n"} | BIDI & set(text)  # fmt: skip


def predicted(text: str) -> str:
    evaluation = Evaluation(4.0, 3.0, 10, (Prediction("", text, False),))
    return printed(lambda: console.print_predictions(evaluation, ""))


@given(names)
def test_nothing_that_an_account_writes_acts(text: str) -> None:
    outcome = Outcome("alice", Status.FAILED, text, "2026-01-02T03:04:05+00:00")
    tables = printed(lambda: console.print_outcomes([outcome]))
    tables += printed(lambda: console.print_table("Posts", [{"text": text, "number": 1}]))
    assert not acts(tables)
    assert not acts(predicted(text))


def test_no_line_of_a_table_is_padded_and_columns_are_honoured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    rows: list[dict[str, object]] = [{"bot": "@a", "reason": "word " * 40, "n": 1}]
    assert max(map(len, printed(lambda: console.print_table("", rows)).splitlines())) > 150
    monkeypatch.setenv("COLUMNS", "60")
    lines = printed(lambda: console.print_table("", rows)).splitlines()
    assert max(map(len, lines)) <= 60
    assert all(line == line.rstrip() for line in lines)


def test_long_values_are_folded_below_their_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    row = {"kinds": "post 2", "notices": ["word " * 30, "x" * 100]}
    lines = printed(lambda: console.print_fields(row)).splitlines()
    assert {line[:11] for line in lines[2:]} == {" " * 11}
    assert max(map(len, lines[:-1])) <= 60
    assert lines[-1].strip() == "x" * 100, "a word stays whole, so that it can be copied"


def test_where_a_text_of_several_begins_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    row = {"samples": ["one " * 12, "two"]}
    assert printed(lambda: console.print_fields(row)).splitlines() == [
        "  samples  one one one one one one one",
        "             one one one one one",
        "           two",
    ]


def test_a_sentence_is_folded_between_words_and_not_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "@alice: released: " + "better than the base; " * 3
    monkeypatch.delenv("COLUMNS", raising=False)
    assert printed(lambda: console.say_folded(text)) == f"{text.strip()}\n"
    monkeypatch.setenv("COLUMNS", "40")
    lines = printed(lambda: console.say_folded(text)).splitlines()
    assert lines[1:] == ["  better than the base; better than the", "  base;"]


def progress(percent: float) -> logging.LogRecord:
    record = logging.LogRecord("h", logging.INFO, "f", 1, f"training {percent} %", (), None)
    record.percent, record.subject = percent, "@alice"
    return record


def test_a_training_is_a_line_each_ten_percent_without_a_terminal() -> None:
    handler = TerminalHandler()
    with redirect_stderr(StringIO()) as err:
        for percent in (0, 1, 9, 10, 19, 55, 56, 100):
            handler.handle(progress(percent))
    shown = [line.split()[-2] for line in err.getvalue().splitlines()]
    assert shown == ["0", "10", "55", "100"]


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_one_line_that_the_next_output_replaces() -> None:
    handler = TerminalHandler()
    with redirect_stderr(Screen()) as screen, redirect_stdout(StringIO()):
        handler.handle(progress(3))
        handler.handle(progress(4))
        console.say("done")
    assert "\n" not in screen.getvalue()
    assert screen.getvalue().endswith("training 4 %\r\x1b[2K")


def test_warnings_and_log_lines_are_folded_between_words_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "base someone/some-model: the Hub cannot be reached; try later"
    record = logging.LogRecord("h", logging.WARNING, "f", 1, text, (), None)

    def print_both() -> None:
        console.complain(text)
        console.complain("Traceback:\n" + text)
        TerminalHandler().handle(record)

    with redirect_stderr(Screen()) as screen:
        print_both()
    lines = screen.getvalue().splitlines()
    assert lines[:2] == ["base someone/some-model: the Hub cannot", "  be reached; try later"]
    assert lines[2:4] == ["Traceback:", text]
    assert [line[9:] for line in lines[4:]] == [
        "base someone/some-model: the",
        "Hub cannot be reached; try",
        "later",
    ]
    assert lines[5].startswith(" " * 9)
    with redirect_stderr(StringIO()) as pipe:
        print_both()
    assert [line[-len(text) :] for line in pipe.getvalue().splitlines() if line[-1] != ":"] == [
        text
    ] * 3


def test_a_small_number_keeps_its_digits() -> None:
    table = printed(
        lambda: console.print_table("Rates", [{"rate": 2e-4, "loss": 4.5, "none": 0.0}])
    )

    assert "0.0002" in table
    assert "4.500" in table
    assert "0.000" in table


@pytest.mark.parametrize("text", HOSTILE)
def test_a_prediction_stays_on_its_line_as_it_is_read(text: str) -> None:
    assert predicted(text) == f"  · {plain(text, 2_000)}\n"


def logged(*words: object, **more: object) -> str:
    """What the terminal gets of a line in the log."""
    logger = logging.getLogger("huggingtweets")
    before, logger.handlers = logger.handlers, []
    show_progress()
    try:
        with redirect_stderr(StringIO()) as err:
            logger.warning(*words, **more)
        return err.getvalue()
    finally:
        logger.handlers = before


@given(names)
def test_no_line_of_the_log_acts(text: str) -> None:
    line = logged("@%s: the service says %s", "alice", text)
    assert not acts(line)
    assert not acts(logged(text))
    assert "@alice: the service says" in line


@given(names)
def test_a_message_stays_one_line_and_a_traceback_has_its_own(text: str) -> None:
    record = logging.LogRecord("huggingtweets", logging.ERROR, "f", 1, "%s", (text,), None)
    formatter = TerminalFormatter()
    assert len(formatter.format(record).splitlines()) <= 1
    try:
        int(f"none{text}")
    except ValueError:
        record.exc_info = sys.exc_info()
    text_of_both = formatter.format(record)
    assert not acts(text_of_both)
    assert "Traceback (most recent call last):\n" in text_of_both
    record.stack_info = f"Stack (most recent call last):\n{text}"
    assert not acts(formatter.format(record))


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇫🇷 ❤️ 👍🏽",
        "مرحبا بالعالم", "שלום עולם", "می‌خواهم", "日本語 한국어", "𝔀𝓪𝓷𝓭𝓮𝓻𝓮𝓻 é e\u0301",
        "[red]no markup[/red]",
    ],
)  # fmt: skip
def test_what_does_not_act_is_shown_as_it_is(text: str) -> None:
    assert logged("@alice: %s", text).rstrip().endswith(f"@alice: {text}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("one\ntwo\r\n", r"one\ntwo\r\n"),
        ("\u202egnirts", r"\u202egnirts"),
        ("\x9b1m", r"\x9b1m"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_acts_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert shown in logged("%s", text)


def test_a_long_message_is_shortened_and_no_traceback_is() -> None:
    line = logged("x" * 10_000)
    assert line.count("x") == 2_000 - len("00:00:00 …")
    assert "…" in line


@given(st.recursive(names, lambda inner: st.lists(inner) | st.dictionaries(names, inner)))
def test_json_means_the_same_and_acts_on_nothing(value: object) -> None:
    text = visible_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert not acts(text)
    assert json.loads(text) == json.loads(json.dumps(value))


def test_the_lines_of_a_long_item_stand_below_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    console.say_item("one two three four five six")
    assert capsys.readouterr().out == "  · one two three four\n    five six\n"
