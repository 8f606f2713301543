from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import AccountNotFound, HuggingtweetsError, ServerTrouble
from tasks.core.names import Handle
from tasks.core.records import Kind
from tasks.sources.x_api.refusals import error_of, parsed, refusal_in
from tasks.sources.x_api.responses import account_from, page_from

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def body(*posts: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"data": list(posts), "meta": {"result_count": len(posts), **meta}}


def test_a_post_with_all_that_we_ask_for():
    told = {
        "id": "1577730467436138524",
        "text": "cut …",
        "note_tweet": {"text": "the whole of a long post"},
        "created_at": "2022-10-07T22:43:18.000Z",
        "lang": "en",
        "edit_history_tweet_ids": ["1577730467436138524"],
    }
    post = page_from(body(told), ALICE).posts[0]
    assert (post.id, post.text, post.lang) == (told["id"], told["note_tweet"]["text"], "en")
    assert post.created_at == datetime(2022, 10, 7, 22, 43, 18, tzinfo=UTC)
    assert (post.kind, post.source, json.loads(post.raw)) == (Kind.POST, "x_api", told)


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        ((), Kind.POST),
        (("retweeted",), Kind.RETWEET),
        (("replied_to",), Kind.REPLY),
        (("quoted",), Kind.QUOTE),
        (("quoted", "replied_to"), Kind.REPLY),
        (("something new",), Kind.POST),
    ],
)
def test_kinds_are_told_by_what_is_referred_to(types: tuple[str, ...], kind: Kind):
    references = [{"type": each, "id": "1"} for each in types]
    told = {
        "id": "5",
        "text": "RT @somebody: as a person writes it",
        "referenced_tweets": references,
    }
    assert page_from(body(told), ALICE).posts[0].kind == kind


def test_a_reply_to_a_post_that_is_gone_is_a_reply():
    told = {"id": "5", "text": "@bob yes", "in_reply_to_user_id": "7"}
    assert page_from(body(told), ALICE).posts[0].kind == Kind.REPLY


def test_of_an_edited_post_the_newest_version_counts():
    versions = ["100", "99", "9"]  # the order of numbers, not of letters
    new = {"id": "100", "text": "right", "edit_history_tweet_ids": versions}
    old = {"id": "99", "text": "wrogn", "edit_history_tweet_ids": versions}
    page = page_from(body(new, old), ALICE)
    assert [post.id for post in page.posts] == ["100"]
    assert page.replaced == {"9", "99"}
    assert (page.newest_id, page.oldest_id, page.returned) == ("100", "99", 2)


def test_an_empty_page_may_have_a_next_one():
    page = page_from({"meta": {"result_count": 0, "next_token": "abc"}}, ALICE)
    assert (page.posts, page.newest_id, page.oldest_id, page.next_token) == ([], None, None, "abc")


def test_errors_beside_posts_are_about_other_posts():
    told = body({"id": "5", "text": "hello"}) | {"errors": [{"title": "Not Found Error"}]}
    assert len(page_from(told, ALICE).posts) == 1


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"data": {}},
        {"data": [7], "meta": {}},
        {"data": [{"id": 5, "text": "x"}]},
        {"data": [{"id": "05", "text": "x"}]},
        {"data": [{"id": "../5", "text": "x"}]},
        {"data": [{"id": "5"}]},
        {"data": [{"id": "5", "text": None}]},
        {"data": [{"id": "5", "text": "x", "edit_history_tweet_ids": ["x"]}]},
        {"data": [], "meta": []},
        {"meta": {"next_token": 7}},
        {"meta": {"next_token": "a b"}},
    ],
)
def test_a_page_of_another_shape_is_the_servers_trouble(told: dict[str, Any]):
    with pytest.raises(ServerTrouble, match="@alice"):
        page_from(told, ALICE)


def test_a_post_nested_beyond_measure_is_the_servers_trouble():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ServerTrouble):
        page_from(body({"id": "5", "text": "x", "entities": deep}), ALICE)


def test_an_account():
    told = {
        "id": "783214",
        "name": "Alice & \u202efriends",
        "username": "Alice",
        "profile_image_url": "https://pbs.twimg.com/profile_images/1/a_normal.jpg",
        "public_metrics": {"tweet_count": 12},
        "protected": True,
    }
    account = account_from({"data": told}, ALICE, NOW)
    assert (account.id, account.posts, account.protected) == ("783214", 12, True)
    assert account.profile.handle == ALICE
    assert account.profile.display_name == told["name"]
    assert account.profile.avatar_url == "https://pbs.twimg.com/profile_images/1/a_400x400.jpg"


@pytest.mark.parametrize("avatar", [None, 7, "http://a.example/a.jpg", "file:///etc/passwd"])
def test_an_avatar_from_elsewhere_is_none(avatar: object):
    told = {"id": "1", "username": "alice", "profile_image_url": avatar, "public_metrics": 7}
    account = account_from({"data": told}, ALICE, NOW)
    assert (account.profile.avatar_url, account.profile.display_name) == (None, "alice")
    assert account.posts is None


@pytest.mark.parametrize("told", [7, {}, {"id": "1"}, {"id": "1", "username": "a/b"}])
def test_an_account_of_another_shape_is_the_servers_trouble(told: object):
    with pytest.raises(ServerTrouble):
        account_from({"data": told}, ALICE, NOW)


def test_no_account_and_no_reason_is_the_servers_trouble():
    with pytest.raises(ServerTrouble):
        account_from({}, ALICE, NOW)
    with pytest.raises(AccountNotFound):
        account_from({"errors": [{"title": "Not Found Error"}]}, ALICE, NOW)


names = st.sampled_from(
    [
        *("data", "meta", "errors", "id", "text", "note_tweet", "created_at", "lang", "title"),
        *("edit_history_tweet_ids", "referenced_tweets", "type", "next_token", "detail", "status"),
        *("username", "name", "protected", "public_metrics", "tweet_count", "message", "error"),
    ]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["5", "99999999999999999999", "retweeted", "2022-10-07T22:43:18.000Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=25,
)
posts = st.fixed_dictionaries(
    {"id": st.just("5") | values, "text": st.text() | values},
    optional={
        "edit_history_tweet_ids": values,
        "referenced_tweets": values,
        "note_tweet": values,
        "created_at": values,
        "lang": values,
    },
)
bodies = st.fixed_dictionaries(
    {}, optional={"data": values | st.lists(posts), "meta": values, "errors": values}
)


def only_ours(read: Callable[[], object]) -> None:
    """Nothing, or an error of ours, comes out."""
    with suppress(HuggingtweetsError):
        read()


@given(told=bodies)
def test_whatever_a_body_holds_only_our_errors_come_out(told: dict[str, Any]):
    only_ours(lambda: page_from(told, ALICE))
    only_ours(lambda: account_from(told, ALICE, NOW))


@given(raw=st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_whatever_bytes_come_only_our_errors_come_out(raw: bytes):
    only_ours(lambda: page_from(parsed(raw, "@alice"), ALICE))


@given(status=st.integers(200, 599), told=values)
def test_whatever_refusal_comes_it_is_one_of_our_errors(status: int, told: object):
    error = error_of(refusal_in(status, told, "@alice"))
    assert isinstance(error, HuggingtweetsError)
    assert str(error).isprintable()
