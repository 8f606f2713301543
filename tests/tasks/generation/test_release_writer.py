"""A release that is kept in memory and writes posts, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.generation.decoding import Draw
from tasks.generation.release_writer import Post, ReleaseWriter, in_order
from tests.tiny import make_tiny_base


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> ReleaseWriter:
    folder = tmp_path_factory.mktemp("tiny") / "base"
    make_tiny_base(folder)
    return ReleaseWriter(folder)


def test_a_seed_writes_the_same_posts_again(writer: ReleaseWriter, tmp_path: Path) -> None:
    posts = list(writer.posts("my cat", 3, 1))
    assert {post.number for post in posts} == {0, 1, 2}
    assert all(post.text.startswith("my cat") for post in posts)
    assert posts == list(writer.posts("my cat", 3, 1))
    assert posts != list(writer.posts("my cat", 3, 2))
    make_tiny_base(tmp_path / "again")
    assert posts == list(ReleaseWriter(tmp_path / "again").posts("my cat", 3, 1))


def test_a_post_is_given_before_the_others_are_finished(writer: ReleaseWriter) -> None:
    every = list(writer.posts("", 40, 3))
    posts = writer.posts("", 40, 3)
    first = next(posts)
    assert first == every[0]
    assert first.number > 0, "it need not wait for those before it"
    posts.close()  # whoever has read enough stops the writing
    assert list(writer.posts("", 40, 3)) == every


def test_posts_are_put_in_order_each_as_soon_as_it_can_be() -> None:
    taken: list[int] = []

    def posts() -> Iterator[Post]:
        for number in (2, 0, 1, 4, 3):
            taken.append(number)
            yield Post(number, f"post {number}")

    assert [(text, taken.copy()) for text in in_order(posts())] == [
        ("post 0", [2, 0]),
        ("post 1", [2, 0, 1]),
        ("post 2", [2, 0, 1]),
        ("post 3", [2, 0, 1, 4, 3]),
        ("post 4", [2, 0, 1, 4, 3]),
    ]


def test_posts_are_shown_while_they_are_written(writer: ReleaseWriter) -> None:
    drafts: list[list[str]] = []
    posts = list(in_order(writer.posts("my cat", 3, 1, show=drafts.append)))
    assert posts == list(in_order(writer.posts("my cat", 3, 1)))
    assert drafts, "the first is shown at once"
    assert drafts[0] != posts
    for draft in drafts:
        assert all(post.startswith(text) for post, text in zip(posts, draft, strict=True))


def test_how_tokens_are_drawn(writer: ReleaseWriter) -> None:
    tame = {post.text for post in writer.posts("my cat", 20, 1, drawing=Draw(temperature=1e-5))}
    assert len(tame) == 1, "one token has all of the probability"
    narrow = {post.text for post in writer.posts("my cat", 20, 1, drawing=Draw(top_p=1e-6))}
    assert narrow == tame
    usual = list(writer.posts("my cat", 20, 1))
    assert usual == list(writer.posts("my cat", 20, 1, drawing=Draw()))
    assert len({post.text for post in usual}) == 20


def test_no_post_has_more_tokens_than_it_may(writer: ReleaseWriter) -> None:
    start = "the old robot dreams of warm rain " * 30
    short, usual, longest = (
        max(len(post.text) for post in writer.posts("my cat", 8, 0, max_tokens=most))
        for most in (16, 40, 10_000)
    )
    assert short < usual < longest
    ((_, cut),) = writer.posts(start, 1, 0, max_tokens=40)
    assert start.startswith(cut[:10])
    assert len(cut) < len(start)
