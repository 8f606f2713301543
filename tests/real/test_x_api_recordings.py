"""Recorded exchanges of the real API, replayed over HTTP to the real client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tasks.core.errors import ServerTrouble
from tasks.core.names import Handle
from tasks.core.records import Kind
from tasks.sources.x_api.source import XApiSource
from tests.servers.x_api import XApi, running_x_api
from tests.servers.x_client import client_of


@pytest.fixture
def api() -> Iterator[XApi]:
    with running_x_api() as served:
        yield served


def exchanges(folder: Path, name: str = "*") -> list[dict[str, Any]]:
    files = sorted((folder / "x-api-v2").glob(f"{name}.json"))
    return [exchange for file in files for exchange in json.loads(file.read_text("utf-8"))]


def test_an_account_and_its_posts_as_recorded(api: XApi, real_posts: Path):
    handle = Handle("twitter")
    (looked_up,) = exchanges(real_posts, "client_get_user")
    (timeline,) = exchanges(real_posts, "client_get_users_tweets")
    api.replay(looked_up, "/2/users/by/username/twitter")  # it was asked for with a capital
    api.replay(timeline)
    source = XApiSource(handle, client_of(api))
    assert source.account.id == "783214"
    profile = source.profile()
    assert (profile.handle, profile.display_name) == (handle, "Twitter")
    page = next(source.pages())
    recorded = timeline["body"]
    assert [(post.id, post.text) for post in page.posts] == [
        (told["id"], told["text"]) for told in recorded["data"]
    ]
    assert page.next_token == recorded["meta"]["next_token"]
    assert (page.newest_id, page.oldest_id) == ("1577730467436138524", "1565318587736285184")
    assert {post.kind for post in page.posts} == {Kind.POST}


def test_every_recorded_list_of_posts_is_read(api: XApi, real_posts: Path):
    (looked_up,) = exchanges(real_posts, "client_get_user")
    api.replay(looked_up, "/2/users/by/username/twitter")
    client, pages = client_of(api), 0
    account = client.account(Handle("twitter"))
    for exchange in exchanges(real_posts):
        told = exchange["body"].get("data")
        if isinstance(told, list) and told and "text" in told[0]:
            api.replay(exchange, "/2/users/783214/tweets")
            posts = client.page(account).posts
            assert [(post.id, post.text) for post in posts] == [(t["id"], t["text"]) for t in told]
            pages += 1
    assert pages >= 10


def test_recorded_posts_are_looked_up_again(api: XApi, real_posts: Path):
    (exchange,) = exchanges(real_posts, "client_get_tweets")
    api.replay(exchange)
    ids = ["1293593516040269825", "1293595870563381249"]
    found = client_of(api).recheck(ids, Handle("twitterdev"))
    assert (found.shown, found.gone) == (2, frozenset())
    assert urlsplit(exchange["uri"]).path == api.requests[0][0]
    assert api.requests[0][1]["ids"] == "1293593516040269825,1293595870563381249"


def test_an_answer_to_another_question_is_the_servers_trouble(api: XApi, real_posts: Path):
    (timeline,) = exchanges(real_posts, "client_get_users_tweets")
    api.replay(timeline, "/2/users/by/username/twitter")
    with pytest.raises(ServerTrouble):
        client_of(api).account(Handle("twitter"))
