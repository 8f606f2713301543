"""The inputs of `tests/cases` whose right values show in the lake."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import UnreadableSource
from tasks.core.names import Handle
from tasks.lake.posts import append, read
from tasks.sources.file_sources import open_file_source
from tasks.storage import Storage

CASES = Path(__file__).parents[2] / "cases"
ALICE = Handle("alice")


def stored(storage: Storage, *cases: str, handle: Handle = ALICE) -> list[dict[str, Any]]:
    """The posts in the lake after these imports, each a day after the other."""
    for day, case in enumerate(cases):
        source = open_file_source(CASES / case, handle)
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        append(storage, handle, source.batches(None), scraped_at=at)
    rows: list[dict[str, Any]] = read(storage, handle).to_pylist()
    return rows


def test_of_an_edited_post_the_newest_version_is_kept(storage: Storage) -> None:
    (post,) = stored(storage, "edited-posts")
    assert (post["id"], post["text"]) == (
        "1700000000000000002",
        "A first version with a typo in the middle of it",
    )


def test_tweets_js_alone_is_its_posts_without_earlier_versions(storage: Storage) -> None:
    assert [post["id"] for post in stored(storage, "tweets-js-alone/tweets.js")] == [
        "1700000000000000002"
    ]


def test_a_note_that_is_hardly_longer_than_a_post_is_the_whole_text(storage: Storage) -> None:
    posts = {post["id"]: post["text"] for post in stored(storage, "note-just-over-280")}
    assert len(posts["1700000000000000004"]) == 296
    assert not any("t.co" in text for text in posts.values())


def test_a_text_that_grew_by_a_line_stores_one_post(storage: Storage) -> None:
    assert len(stored(storage, "growing-text/day1.txt")) == 200
    assert len(stored(storage, "growing-text/day2.txt")) == 201


def test_retweets_that_a_flattening_tool_wrote_whole_are_retweets(storage: Storage) -> None:
    posts = stored(storage, "retweets-of-a-flattening-tool/tweets.csv")
    assert Counter(post["kind"] for post in posts) == {"post": 60, "retweet": 60}


def test_a_stream_has_whole_texts_and_its_notices_are_no_posts(storage: Storage) -> None:
    posts = stored(storage, "stream/stream.jsonl")
    assert len(posts) == 60
    assert not any("…" in post["text"] or "t.co" in post["text"] for post in posts)
    source = open_file_source(CASES / "stream/delete.jsonl", ALICE)
    assert sum(map(len, source.batches(None))) == 60
    assert "notices of a stream are no posts" in " ".join(source.findings.notices)


def test_of_several_authors_the_handles_rows_are_taken(storage: Storage) -> None:
    posts = stored(storage, "language-names-and-authors/ira.csv")
    assert len(posts) == 60
    assert {post["lang"] for post in posts} == {"en"}
    assert all(post["id"].startswith("text-") for post in posts)
    with pytest.raises(UnreadableSource, match=r"by BOB \(60\), ALICE \(60\)"):
        stored(storage, "language-names-and-authors/ira.csv", handle=Handle("carol"))


def test_a_handle_of_the_first_years_is_one(storage: Storage) -> None:
    source = open_file_source(CASES / "long-handle", None)
    assert source.handle == Handle("abcdefghijklmnopq")
    assert len(stored(storage, "long-handle", handle=source.handle)) == 1


@pytest.mark.parametrize(
    "order", permutations(["poorer-source-later/a", "poorer-source-later/t.csv"])
)
def test_a_poorer_source_replaces_nothing_in_any_order(
    storage: Storage, order: tuple[str, ...]
) -> None:
    posts = stored(storage, *order)
    assert {(post["id"], post["kind"], post["source"]) for post in posts} == {
        ("1000000000000000001", "retweet", "x_archive"),
        ("1000000000000000002", "post", "x_archive"),
    }
    assert posts[1]["text"].endswith("that the other export has cut in its middle")


def test_posts_of_the_api_are_known_in_a_table_too(storage: Storage) -> None:
    posts = stored(storage, "v2-jsonl/flat.jsonl")
    own = [post for post in posts if post["kind"] != "retweet"]
    assert [post["text"] for post in own] == ["first version of my post with a typo"]
    assert [post["kind"] for post in posts if post not in own] == ["retweet"]
