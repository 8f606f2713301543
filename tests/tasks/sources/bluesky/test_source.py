from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.names import BlueskyHandle
from tasks.core.records import Kind, Post, Profile
from tasks.ingest.accounts import move_watermark, watermark
from tasks.lake.posts import append, handles, read
from tasks.sources.bluesky.source import MAX_POSTS, BlueskySource
from tasks.storage import Storage
from tests.servers.bluesky import Bluesky, did_of, element, running_bluesky, tid

ALICE, NAME = BlueskyHandle("alice.bsky.social"), "alice.bsky.social"
START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def bluesky() -> Iterator[Bluesky]:
    with running_bluesky() as running:
        yield running


def hours(first: int, last: int) -> list[dict[str, object]]:
    """A post an hour from the first to the last but one, the newest first."""
    numbers = reversed(range(first, last))
    return [element(NAME, START + timedelta(hours=n), f"post {n}") for n in numbers]


def posts_of(bluesky: Bluesky, newer_than: str | None = None) -> list[Post]:
    batches = BlueskySource(ALICE, bluesky.url).batches(newer_than)
    return [post for batch in batches for post in batch]


def test_a_post_comes_with_all_that_the_service_tells(bluesky: Bluesky) -> None:
    bluesky.add(NAME, [element(NAME, START, "Grüße 🦋", langs=["de", "en"])])
    (post,) = posts_of(bluesky)
    assert (post.handle, post.source, post.kind) == (ALICE, "bluesky", Kind.POST)
    assert (post.created_at, post.text, post.lang) == (START, "Grüße 🦋", "de")
    assert tid(START) in post.raw
    assert int(post.id) >> 10 == START.timestamp() * 1_000_000
    assert BlueskySource(ALICE).handle == ALICE


def test_pages_are_read_until_no_cursor_comes_empty_ones_too(bluesky: Bluesky) -> None:
    bluesky.add(NAME, hours(0, 250))
    bluesky.page_sizes = [30, 0, 100, 7]
    texts = [post.text for post in posts_of(bluesky)]
    assert texts == [f"post {n}" for n in reversed(range(250))]
    starts = [asked.get("cursor", "0").split(".")[0] for asked in bluesky.asked("feed")]
    assert starts == ["0", "30", "30", "130", "137", "237"]


def test_the_newest_3200_are_read_and_no_more(bluesky: Bluesky) -> None:
    bluesky.add(NAME, hours(0, MAX_POSTS + 150))
    assert len(posts_of(bluesky)) == MAX_POSTS == 3_200
    assert len(bluesky.asked("feed")) == 32


def test_kinds_are_told_apart(bluesky: Bluesky) -> None:
    quoted = {"uri": "at://did:plc:bob/app.bsky.feed.post/3k2a", "cid": "b"}
    listed = {"uri": "at://did:plc:bob/app.bsky.graph.list/3k2a", "cid": "b"}
    embed = {"$type": "app.bsky.embed.record", "record": quoted}
    media = {"$type": "app.bsky.embed.recordWithMedia", "record": embed, "media": {}}
    records = {
        "post": {},
        "reply": {"reply": {"root": quoted, "parent": quoted}, "embed": embed},
        "quote": {"embed": embed},
        "quote with a picture": {"embed": media},
        "list": {"embed": {"$type": "app.bsky.embed.record", "record": listed}},
        "picture": {"embed": {"$type": "app.bsky.embed.images", "images": []}},
    }
    feed = [
        element(NAME, START + timedelta(hours=n), text, **record)
        for n, (text, record) in enumerate(records.items())
    ]  # type: ignore[arg-type]
    feed.append(element(NAME, START, "repost", author="bob.test"))
    feed.append(element(NAME, START + timedelta(days=9), "own again", author=NAME))
    stranger = element("bob.test", START + timedelta(days=3), "not hers")
    bluesky.add(NAME, [*feed, stranger])
    assert {post.text: post.kind.value for post in posts_of(bluesky)} == {
        "post": "post",
        "reply": "reply",
        "quote": "quote",
        "quote with a picture": "quote",
        "list": "post",
        "picture": "post",
        "repost": "retweet",
        "own again": "retweet",
        "not hers": "retweet",
    }


def test_a_repost_has_its_own_id_and_date(bluesky: Bluesky) -> None:
    repost = element(NAME, START, "hers", author="bob.test")
    repost["post"]["uri"] = f"at://did:plc:bob/app.bsky.feed.post/{tid(START - timedelta(days=9))}"
    unnamed = element(NAME, START, "hers", author="bob.test")
    del unnamed["reason"]["uri"]
    bluesky.add(NAME, [repost, unnamed])
    first, second = posts_of(bluesky)
    assert first.created_at == second.created_at == START
    assert first.id != second.id
    assert int(first.id) >> 10 == int(second.id) >> 10


def test_a_later_run_ends_with_the_first_page_that_has_nothing_newer(bluesky: Bluesky) -> None:
    bluesky.add(NAME, hours(0, 500))
    newest = posts_of(bluesky)[0].id
    bluesky.requests.clear()
    assert posts_of(bluesky, newest) == []
    assert len(bluesky.asked("feed")) == 1

    bluesky.add(NAME, hours(0, 620))
    bluesky.requests.clear()
    newer = posts_of(bluesky, newest)
    assert [post.text for post in newer] == [f"post {n}" for n in reversed(range(500, 620))]
    assert len(bluesky.asked("feed")) == 3


@pytest.mark.parametrize("key", ["zzzzzzzzzzzzz", "self", "jzzzzzzzzzzzz", "../../x", ""])
def test_a_key_that_is_no_honest_tid_hides_no_later_post(bluesky: Bluesky, key: str) -> None:
    odd = element(NAME, START, "odd", key=key or "x")
    if not key:
        odd["post"]["uri"] = ""
    bluesky.add(NAME, [odd])
    (post,) = posts_of(bluesky)
    assert post.id.isdecimal()
    bluesky.add(NAME, [*hours(1, 2), odd])
    assert [later.text for later in posts_of(bluesky, post.id)] == ["post 1"]


def test_a_date_that_the_author_makes_up_never_lies_in_the_future(bluesky: Bluesky) -> None:
    far, none = (element(NAME, START, "x", key=key) for key in ("a", "b"))
    past = element(NAME, START, "x", key="c")
    far["post"]["record"]["createdAt"] = "2999-01-01T00:00:00Z"
    none["post"]["record"]["createdAt"] = "yesterday"
    past["post"]["record"]["createdAt"] = "2012-05-01T00:00:00.123Z"
    bluesky.add(NAME, [far, none, past])
    dates = [post.created_at for post in posts_of(bluesky)]
    assert dates == [START, START, datetime(2012, 5, 1, 0, 0, 0, 123_000, UTC)]


def test_the_profile_gives_name_and_avatar(bluesky: Bluesky) -> None:
    avatar = "https://cdn.example.com/alice.jpg"
    bluesky.add(NAME, [], displayName="Alice 🦋", avatar=avatar)
    source = BlueskySource(ALICE, bluesky.url)
    assert source.profile() == Profile(ALICE, "Alice 🦋", avatar)
    assert list(source.batches(None)) == []
    assert len(bluesky.asked("profile")) == 1


@pytest.mark.parametrize(
    "shown", [{}, {"displayName": " ", "avatar": "javascript:1"}, {"avatar": 3}]
)
def test_without_name_and_avatar_the_handle_is_shown(
    bluesky: Bluesky, shown: dict[str, object]
) -> None:
    bluesky.add(NAME, [], **shown)
    assert BlueskySource(ALICE, bluesky.url).profile() == Profile(ALICE, NAME, None)


def test_posts_go_into_the_lake_once_and_in_order(bluesky: Bluesky, storage: Storage) -> None:
    bluesky.add(NAME, [element(NAME, START, "again", author=NAME), *hours(-150, 0)])
    source = BlueskySource(ALICE, bluesky.url)
    assert append(storage, ALICE, source.batches(None), scraped_at=START).new == 151
    assert append(storage, ALICE, source.batches(None), scraped_at=START).new == 0
    assert handles(storage) == [ALICE]
    table = read(storage, ALICE)
    assert table["text"].to_pylist() == [*(f"post {n}" for n in range(-150, 0)), "again"]
    move_watermark(storage, ALICE, source.name, table["id"].to_pylist()[-1])
    assert posts_of(bluesky, watermark(storage, ALICE, source.name)) == []


def test_the_account_is_followed_by_its_did(bluesky: Bluesky) -> None:
    bluesky.add(NAME, hours(0, 1))
    posts_of(bluesky)
    assert [asked["actor"] for asked in bluesky.asked("feed")] == [did_of(NAME)]


def test_each_request_asks_for_a_permit_first(bluesky: Bluesky) -> None:
    bluesky.add(NAME, hours(0, 250))
    asked: list[int] = []
    source = BlueskySource(
        BlueskyHandle(NAME), bluesky.url, permit=lambda: asked.append(len(bluesky.requests))
    )
    assert sum(len(batch) for batch in source.batches(None)) == 250
    assert asked == list(range(len(bluesky.requests))), "one before each request"
