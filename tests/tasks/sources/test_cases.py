"""Each input of `tests/cases` is read as it is meant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.sources.file_sources import open_file_source
from tasks.sources.source import FileSource

CASES = Path(__file__).parents[2] / "cases"
ALICE = Handle("alice")


def opened(case: str) -> tuple[FileSource, list[Post]]:
    source = open_file_source(CASES / case, ALICE)
    return source, list(chain.from_iterable(source.batches(None)))


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize("name", ["tweets.json", "oneline.json"])
def test_a_json_list_is_its_posts(name: str):
    _, posts = opened(f"json-array/{name}")
    assert len(posts) == len({post.id for post in posts}) == 60
    assert posts[0].text.startswith("Bread never slow engine")
    assert posts[0].created_at == at(2018, 10, 10, 20, 19, 24)


def test_tweets_js_alone_is_its_posts():
    source, posts = opened("tweets-js-alone/tweets.js")
    assert source.name == "x_archive"
    assert [post.text[:28] for post in posts] == [
        "A first version with a tpyo ",
        "A first version with a typo ",
    ]
    assert posts[1].replaces == (posts[0].id,)


def test_a_zip_with_backslashes_is_an_archive():
    source, posts = opened("zip-backslash/twitter-2024.zip")
    assert (source.name, source.handle, len(posts)) == ("x_archive", ALICE, 60)


@pytest.mark.parametrize(
    ("name", "oldest", "newest"),
    [
        ("excel.csv", at(2017, 1, 1, 19, 58), at(2017, 12, 28, 19, 58)),
        ("nitter.csv", at(2022, 4, 1, 2, 26), at(2022, 4, 28, 2, 26)),
        ("sentiment140.csv", at(2009, 4, 2, 5, 19, 45), at(2009, 4, 29, 5, 19, 45)),
        ("twint.csv", at(2021, 3, 1, 18), at(2021, 3, 28, 18)),
    ],
)
def test_dates_of_spreadsheets_and_scrapers_are_understood(
    name: str, oldest: datetime, newest: datetime
):
    source, posts = opened(f"dates/{name}")
    dates = [post.created_at for post in posts if post.created_at]
    assert (len(dates), min(dates), max(dates)) == (120, oldest, newest)
    assert (source.findings.dates.given, source.findings.dates.understood) == (120, 120)


def test_the_export_of_x_analytics_is_read():
    source, posts = opened("analytics-export/content.csv")
    assert source.findings.columns == {"id": "Post id", "text": "Post text", "created_at": "Date"}
    assert len({post.id for post in posts}) == 60
    assert {post.created_at for post in posts} == {at(2026, 6, 5)}


@pytest.mark.parametrize("name", ["ns.parquet", "tz.parquet"])
def test_nanoseconds_are_cut_to_microseconds(name: str):
    _, posts = opened(f"parquet-nanoseconds/{name}")
    assert len(posts) == 60
    assert posts[0].created_at == at(2017, 7, 14, 2, 40)


def test_a_count_of_retweets_marks_none():
    source, posts = opened("retweet-is-a-count/like.csv")
    assert Counter(post.kind for post in posts) == {Kind.POST: 100}
    assert "the column 'retweet' counts" in " ".join(source.findings.notices)


def test_line_breaks_of_a_flattening_tool_are_line_breaks():
    source, posts = opened("retweets-of-a-flattening-tool/tweets.csv")
    assert sum("\n" in post.text for post in posts) == 24
    assert not any("\\n" in post.text for post in posts)
    assert "undone in 24 posts" in " ".join(source.findings.notices)


def test_texts_in_pythons_notation_of_bytes_are_decoded():
    source, posts = opened("bytes-literal/tweets.csv")
    assert posts[0].text.endswith("storm field. it’s fine 😂\nnext line")
    assert not any(post.text.startswith("b'") or "\\x" in post.text for post in posts)
    assert "undone in 60 posts" in " ".join(source.findings.notices)


def test_characters_in_rs_notation_are_decoded_and_ids_lose_their_x():
    source, posts = opened("u-escapes/tweets.csv")
    assert posts[0].text.endswith("storm field. 😂😂 don’t")
    assert posts[0].id == "1000000000000000000"
    assert "undone in 60 posts" in " ".join(source.findings.notices)
    _, (post,) = opened("u-escapes/x.csv")
    assert (post.id, post.text) == ("1000000000000000001", "an ordinary post of mine")


def test_what_was_encoded_twice_is_mended():
    source, posts = opened("double-encoded/tweets.csv")
    assert {post.text.split(". ")[1] for post in posts} == {"it’s fine 😂 café"}
    assert "undone in 5 posts" in " ".join(source.findings.notices)
