"""Tables of X's own forms: identity, authors, pages of the API, streams, edits."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.sources.file_sources import open_file_source
from tasks.sources.table.wrappers import is_notice, unwrapped

ALICE = Handle("alice")


def posts_of(path: Path) -> list[Post]:
    return list(chain.from_iterable(open_file_source(path, ALICE).batches(None)))


def lines(path: Path, *objects: Any) -> Path:
    path.write_text("\n".join(json.dumps(each) for each in objects))
    return path


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows))
    return path


def test_a_made_id_depends_on_the_text_and_not_on_the_file(tmp_path: Path) -> None:
    first = posts_of(table(tmp_path / "a.txt", "same", "other", "same"))
    grown = posts_of(table(tmp_path / "b.txt", "new", "same", "same", "other", "same"))
    assert len({post.id for post in first}) == 3
    assert {post.id for post in first} < {post.id for post in grown}
    assert [post.text for post in grown if post.id not in {each.id for each in first}] == [
        "new",
        "same",
    ]


FLAT = "id,referenced_tweets.retweeted.id,retweeted_user_id,text"


def test_retweets_of_a_flattening_tool_are_retweets(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", FLAT, "1,,,my own", "2,5,8,words of bob", "3,,,RT @bob mine")
    assert [post.kind for post in posts_of(path)] == [Kind.POST, Kind.RETWEET, Kind.POST]


def test_what_flat_columns_show_is_known_in_parquet_too(tmp_path: Path) -> None:
    rows = {
        "text": ["my own", "words of bob", "cut…"],
        "retweeted_user_id": [None, 8, None],
        "note_tweet.text": [None, None, "the whole text"],
        "edit_history_tweet_ids": [["1"], ["2"], ["3"]],
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    posts = posts_of(tmp_path / "a.parquet")
    assert [post.kind for post in posts] == [Kind.POST, Kind.RETWEET, Kind.POST]
    assert posts[2].text == "the whole text"


VERSIONS = ["1000000000000000003", "1000000000000000004"]


def test_posts_of_the_api_in_lines(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        {"id": "1", "text": "of bob", "referenced_tweets": [{"type": "retweeted", "id": "5"}]},
        {"id": "2", "text": "a quote by bob", "author": {"username": "bob"}},
        {"id": VERSIONS[0], "text": "a tpyo", "edit_history_tweet_ids": VERSIONS}
        | {"author": {"username": "Alice"}},
        {"id": VERSIONS[1], "text": "a typo", "edit_history_tweet_ids": VERSIONS}
        | {"author": {"username": "Alice"}},
    )
    posts = posts_of(path)
    assert [post.id for post in posts] == ["1", *VERSIONS]
    assert posts[0].kind is Kind.RETWEET
    assert [post.replaces for post in posts] == [(), (), (VERSIONS[0],)]


def test_pages_of_the_api_in_lines(tmp_path: Path) -> None:
    users = [{"id": "7", "username": "Alice"}, {"id": "8", "username": "bob"}]
    page = {
        "data": [
            {"id": "1", "text": "mine", "author_id": "7"},
            {"id": "2", "text": "of bob", "author_id": "8"},
            {"id": "3", "text": "cut…", "author_id": "7", "note_tweet": {"text": "whole"}},
        ],
        "includes": {"users": users, "tweets": [{"id": "9", "text": "of somebody"}]},
        "meta": {"result_count": 3},
    }
    last = {"meta": {"result_count": 0}}
    posts = posts_of(lines(tmp_path / "a.jsonl", page, page | {"data": page["data"][:1]}, last))
    assert [(post.id, post.text) for post in posts] == [
        ("1", "mine"),
        ("3", "whole"),
        ("1", "mine"),
    ]


STREAM = (
    {"data": {"id": "1", "text": "one"}, "matching_rules": [{"id": "5"}]},
    {"delete": {"status": {"id_str": "7"}}},
    {"limit": {"track": 5}},
    {"id_str": "2", "text": "cut…", "truncated": True, "extended_tweet": {"full_text": "whole"}},
    {"errors": [{"title": "operational-disconnect"}]},
)


def test_the_notices_of_a_stream_are_no_posts(tmp_path: Path) -> None:
    source = open_file_source(lines(tmp_path / "a.jsonl", *STREAM), ALICE)
    posts = list(chain.from_iterable(source.batches(None)))
    assert [(post.id, post.text) for post in posts] == [("1", "one"), ("2", "whole")]
    assert "3 notices of a stream are no posts" in " ".join(source.findings.notices)


HEAD = "author,content,language"


def test_the_accounts_rows_are_taken_of_several_authors(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", HEAD, "BOB,his,English", "@ALICE,hers,English", ",whose,")
    posts = posts_of(path)
    assert [(post.text, post.lang) for post in posts] == [("hers", "en"), ("whose", None)]


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (["bob,x,en", "carol,y,en", "bob,z,en"], r"bob \(2\), carol \(1\)"),
        (["bob,x,en"], r"bob \(1\)"),
        (["Bob B.,x,en", "Carol C.,y,en"], r"Bob B\. \(1\), Carol C\. \(1\)"),
        (["alice,x,en", "Carol C.,y,en"], r"Carol C\. \(1\)"),
    ],
)
def test_a_table_of_others_is_refused_with_their_names(
    tmp_path: Path, rows: list[str], shown: str
) -> None:
    path = table(tmp_path / "a.csv", HEAD, *rows)
    with pytest.raises(UnreadableSource, match=rf"not by @alice alone, but by {shown}: .*author="):
        posts_of(path)


@pytest.mark.parametrize("author", ["Alice Smith", "", "7", "nan"])
def test_one_name_that_is_no_handle_is_no_other_account(tmp_path: Path, author: str) -> None:
    path = table(tmp_path / "a.csv", HEAD, f"{author},x,en", f"{author},y,en")
    assert len(posts_of(path)) == 2


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
keys = st.sampled_from(["data", "includes", "meta", "errors", "delete", "limit", "tweet", "text"])


@given(st.dictionaries(keys, json_like | st.dictionaries(st.just("users"), json_like)))
def test_any_object_can_be_unwrapped(element: dict[str, Any]) -> None:
    rows = list(unwrapped((1, element, json.dumps(element))))
    assert all(isinstance(row, dict) for _, row, _ in rows)
    assert not (rows and is_notice(element))
