"""The forms in which X's programs write the same fact."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records import Kind
from tasks.sources.post_fields import author_of, earlier_versions, kind_of, long_text, text_of

NOTE = "the whole text"


@pytest.mark.parametrize(
    "post",
    [
        {"text": "the who…", "note_tweet": {"text": NOTE}},
        {"text": "the who…", "note_tweet.text": NOTE},
        {"note_tweet": {"note_tweet_results": {"result": {"text": NOTE}}}, "full_text": "the…"},
        {"text": "the who…", "truncated": True, "extended_tweet": {"full_text": NOTE}},
        {"text": "the who…", "extended_tweet.full_text": NOTE},
    ],
)
def test_the_whole_text_of_a_long_post(post: dict[str, Any]) -> None:
    assert (text_of(post), long_text(post)) == (NOTE, NOTE)


def test_the_text_of_a_short_post() -> None:
    assert text_of({"full_text": "whole", "text": "who…"}) == "whole"
    assert text_of({"text": "whole", "note_tweet": None}) == "whole"
    assert text_of({"text": ""}) == ""
    assert text_of({"text": 7}) is None
    assert long_text({"text": "whole", "note_tweet": {"text": ""}}) is None


def referring(kind: str) -> list[dict[str, Any]]:
    """Posts of the API that refer to another post, as JSON and as tables have them."""
    listed = [{"type": kind, "id": "5"}]
    return [
        {"referenced_tweets": listed},
        {"referenced_tweets": json.dumps(listed)},
        {"referenced_tweets": str(listed)},
        {"referenced_tweets": f"[<ReferencedTweet id=5 type={kind}]"},
        {f"referenced_tweets.{kind}.id": "5"},
    ]


KINDS = [
    *((post, Kind.RETWEET) for post in referring("retweeted")),
    *((post, Kind.REPLY) for post in referring("replied_to")),
    *((post, Kind.QUOTE) for post in referring("quoted")),
    ({"retweeted_user_id": "8"}, Kind.RETWEET),
    ({"retweeted_status": {"id_str": "5"}}, Kind.RETWEET),
    ({"retweeted_status_id": "5", "in_reply_to_user_id": "7"}, Kind.RETWEET),
    ({"in_reply_to_status_id_str": "5", "quoted_status_id": "6"}, Kind.REPLY),
    ({"in_reply_to_user_id": "5"}, Kind.REPLY),
    ({"is_quote_status": True}, Kind.QUOTE),
    ({"quoted_status": {"id_str": "5"}}, Kind.QUOTE),
    ({"community_id": "9"}, Kind.POST),
    ({"referenced_tweets": None, "retweeted_status": None, "is_quote_status": False}, Kind.POST),
    ({"referenced_tweets": "", "retweeted_user_id": "NaN"}, Kind.POST),
    ({"referenced_tweets": [{"type": ["retweeted"]}, "retweeted", None]}, Kind.POST),
    ({}, Kind.POST),
]


@pytest.mark.parametrize(("post", "kind"), KINDS)
def test_the_kind_by_the_fields_that_show_it(post: dict[str, Any], kind: Kind) -> None:
    assert kind_of(post, "words") is kind


def test_the_start_of_the_text_decides_only_where_no_field_does() -> None:
    assert kind_of({}, "RT @bob: words") is Kind.RETWEET
    assert kind_of({"in_reply_to_user_id": "5"}, "RT @bob: words") is Kind.RETWEET
    assert kind_of({"retweeted_status_id": ""}, "RT @bob: words") is Kind.POST
    assert kind_of({"referenced_tweets.retweeted.id": None}, "RT @bob: words") is Kind.POST
    assert kind_of({}, "RT @bob: words", is_retweet=False) is Kind.POST
    assert kind_of({}, "words", is_retweet=True) is Kind.RETWEET


EDITED = ["17", "18", "19"]


@pytest.mark.parametrize(
    "post",
    [
        {"edit_history_tweet_ids": EDITED},
        {"edit_history_tweet_ids": str(EDITED)},
        {"edit_history_tweet_ids": [17, 18, 19]},
        {"edit_info": {"initial": {"editTweetIds": EDITED}}},
        {
            "edit_info": {
                "edit": {
                    "initialTweetId": "17",
                    "editControlInitial": {"editTweetIds": EDITED},
                }
            }
        },
        {"edit_control": {"edit_control_initial": {"edit_tweet_ids": EDITED}}},
    ],
)
def test_an_edit_replaces_the_versions_before_it(post: dict[str, Any]) -> None:
    assert earlier_versions(post, "19") == ("17", "18")
    assert earlier_versions(post, "18") == ("17",)
    assert earlier_versions(post, "17") == ()


@pytest.mark.parametrize(
    "listed",
    [["17"], [], None, "x", ["17", "18"], [str(n) for n in range(100)], [{}, ["19"]], {"19": 1}],
)
def test_what_is_no_list_of_versions_replaces_nothing(listed: Any) -> None:
    assert earlier_versions({"edit_history_tweet_ids": listed}, "19") == ()
    assert earlier_versions({"edit_history_tweet_ids": EDITED}, "text-ab-1") == ()


def test_the_author_that_an_object_describes() -> None:
    assert author_of({"author": {"username": "alice"}}) == "alice"
    assert author_of({"author.username": "alice"}) == "alice"
    assert author_of({"user": {"screen_name": "alice"}}) == "alice"
    assert author_of({"user": "alice", "author": None}) is None


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
names = st.sampled_from(
    ["text", "note_tweet", "referenced_tweets", "edit_info", "edit_history_tweet_ids", "author"]
)


@given(st.dictionaries(names, json_like), st.text(max_size=20))
def test_any_json_can_be_asked(post: dict[str, Any], post_id: str) -> None:
    kind_of(post, "words")
    text_of(post)
    author_of(post)
    assert post_id not in earlier_versions(post, post_id)
