"""A conversation with a bot, with a writer that only repeats what it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deployments import console
from deployments.cli.chat import Chat, talk
from deployments.cli.generate import Preview, print_posts
from tasks.core.errors import BadInput
from tasks.generation.release_writer import Post
from tasks.generation.sampling import BATCH


def echo(start: str, number: int, seed: int, **options: Any) -> Iterator[Post]:
    drawing = options["drawing"]
    for at in range(number):
        yield Post(at, f"{start}|{at}|{seed}|{drawing.temperature:g}|{drawing.top_p:g}")


@pytest.fixture
def chat() -> Chat:
    return Chat(echo, number=1, temperature=1.0, top_p=0.95, seed=7)


def test_starts_go_in_and_posts_come_out(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("my cat", "/seed 3", "/number 2", "/temperature 0.5", "/top-p 0.9", "", "//x"):
        assert chat.answer(line)
    assert capsys.readouterr().out.splitlines() == [
        "my cat|0|7|1|0.95",
        "|0|3|0.5|0.9",
        "|1|3|0.5|0.9",
        "/x|0|4|0.5|0.9",
        "/x|1|4|0.5|0.9",
    ]
    assert not chat.answer("/quit")


@pytest.mark.parametrize(
    "line",
    ["/seed", "/seed x", "/seed -1", "/number 0", "/temperature 0", "/temperature nan", "/top-p 0",
     "/top-p 2", "/sing", "\udcff"],
)  # fmt: skip
def test_a_wrong_line_is_explained_and_changes_nothing(chat: Chat, line: str) -> None:
    before = vars(chat).copy()
    with pytest.raises(BadInput):
        chat.answer(line)
    assert vars(chat) == before


def test_a_conversation_goes_on_after_a_wrong_line_and_ends_with_its_input(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["/seed x", "my cat"])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(lines, None) or _end())
    talk(chat, "> ")
    out, err = capsys.readouterr()
    assert "give a number" in err
    assert out == "my cat|0|7|1|0.95\n"


def _end() -> str:
    raise EOFError


def test_posts_with_line_breaks_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["one", "two", "three\nlines\nlong", "four \x1b[31m"]
    posts = [*map(Post, (2, 0, 3, 1), texts)]
    print_posts(posts)
    shown = capsys.readouterr().out
    assert shown == "one\ntwo\n---\nthree\nlines\nlong\n---\nfour \\x1b[31m\n"
    print_posts(posts, null=True)
    assert capsys.readouterr().out.split("\0") == [*texts, ""]
    print_posts(posts[2:], as_json=True)
    assert capsys.readouterr().out == (
        '{"text": "three\\nlines\\nlong"}\n{"text": "four \\u001b[31m"}\n'
    )


def test_the_post_being_written_is_shown_in_one_line_which_the_finished_one_replaces(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    preview = Preview()

    def posts() -> Iterator[Post]:
        preview.show(["x" * 20, "my cat\nis", "other"])
        yield Post(1, "my cat is old")
        preview.show(["x" * 50 + " now", "my cat is old", "other"])
        yield Post(0, "x" * 50 + " now")
        preview.show(["x" * 50 + " now", "my cat is old", "ß" * 50])
        for number in range(2, BATCH):
            yield Post(number, "y")
        preview.show(["of the next batch"])

    print_posts(posts(), preview)
    out, err = capsys.readouterr()
    console.close_line()
    assert out.splitlines() == ["my cat is old", "x" * 50 + " now", *["y"] * (BATCH - 2)]
    clear = "\r\x1b[2K"
    wide = f"…{'ß' * 18}"  # which may take two columns each
    assert err.split(clear) == ["x" * 20, f"…{'x' * 34} now", wide, "of the next batch"]
