"""Archives of Mastodon in each form that they come in."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, HuggingtweetsError, UnreadableSource
from tasks.core.names import Handle, MastodonHandle
from tasks.core.records import Kind, Post
from tasks.sources.file_sources import file_digest, open_file_source
from tasks.sources.mastodon.activities import is_public, post_of
from tests.bounded import Limits, read_bounded
from tests.strategies import fixture_shared_by_examples
from tests.tasks.sources.mastodon.archives import (
    ACTOR,
    PUBLIC,
    QUIETLY,
    TO_BOB,
    TO_FOLLOWERS,
    alone,
    announce,
    create,
    files_of,
    outbox,
    tar_of,
    unpacked,
    zip_of,
)

ALICE = MastodonHandle.of("alice", "mastodon.example")
BOOSTED = "https://other.example/users/bob/statuses/9"
ACTIVITIES = [
    create(101, "<p>Hello &amp; welcome</p>"),
    create(102, "<p>Bonjour</p>", QUIETLY, contentMap={"fr": "<p>Bonjour</p>"}),
    create(103, "<p>secret of followers</p>", TO_FOLLOWERS),
    create(104, "<p>secret of two</p>", TO_BOB),
    announce(105, BOOSTED),
    announce(106, BOOSTED, TO_FOLLOWERS),
    create(107, "<p>spoiler</p>", summary="a film"),
    create(108, "<p>@bob yes</p>", inReplyTo=BOOSTED),
    create(109, "<p>look</p>", quote=BOOSTED),
    {"id": "x", "type": "Like", "actor": ACTOR, "to": [PUBLIC], "object": BOOSTED},
]
PACKED = [tar_of, zip_of, unpacked, alone]
Pack = Callable[[Path, dict[str, bytes]], Path]


def read(path: Path, handle: Handle | None = None) -> list[Post]:
    return [post for batch in open_file_source(path, handle).batches(None) for post in batch]


@pytest.mark.parametrize("pack", PACKED)
def test_public_posts_and_boosts_are_read_and_nothing_else(tmp_path: Path, pack: Pack) -> None:
    path = pack(tmp_path, files_of(ACTIVITIES))
    source = open_file_source(path, None)
    assert source.handle == ALICE
    posts = read(path)
    assert [(post.id, post.text, post.kind, post.lang) for post in posts] == [
        ("101", "Hello & welcome", Kind.POST, "en"),
        ("102", "Bonjour", Kind.POST, "fr"),
        ("105", BOOSTED, Kind.RETWEET, None),
        ("107", "CW: a film\n\nspoiler", Kind.POST, "en"),
        ("108", "@bob yes", Kind.REPLY, "en"),
        ("109", "look", Kind.QUOTE, "en"),
    ]
    assert posts[0].created_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert {post.source for post in posts} == {"mastodon"}
    assert not any("secret" in post.raw for post in posts)
    profile = source.profile()
    assert (profile is None) == (pack is alone)
    assert profile is None or (profile.display_name, profile.avatar_url) == ("Alice Example", None)


def test_what_is_left_out_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "huggingtweets"):
        read(alone(tmp_path, files_of(ACTIVITIES)))
    assert "left out what is for followers or single people: 3" in caplog.text
    assert "left out activities of the type Like: 1" in caplog.text


@pytest.mark.parametrize("pack", [tar_of, zip_of, unpacked])
def test_the_digest_is_of_what_is_read(tmp_path: Path, pack: Pack) -> None:
    files = files_of(ACTIVITIES)
    before = file_digest(pack(tmp_path, files))
    assert file_digest(pack(tmp_path, files | {"likes.json": b"[]"})) == before
    assert file_digest(pack(tmp_path, files | {"outbox.json": outbox(ACTIVITIES[:2])})) != before


def test_the_owner_may_have_a_shorter_domain_than_the_server(tmp_path: Path) -> None:
    path = tar_of(tmp_path, files_of(ACTIVITIES))
    social = "https://social.example.org/users/alice"
    own = json.loads(json.dumps(ACTIVITIES).replace(ACTOR, social))
    path = tar_of(tmp_path, files_of(own, id=social))
    wanted = MastodonHandle.of("alice", "example.org")
    assert open_file_source(path, wanted).handle == wanted
    assert open_file_source(path, None).handle.written == "alice@social.example.org"
    for other in ("alice@other.org", "bob@example.org", "alice@ample.org"):
        with pytest.raises(BadInput, match=r"alice@social\.example\.org, not of"):
            open_file_source(path, Handle.parse(other))
    with pytest.raises(BadInput, match="is an archive of Mastodon, and @alice is a handle of X"):
        open_file_source(path, Handle("alice"))


def test_an_address_with_a_number_gives_the_name_by_a_posts_page(tmp_path: Path) -> None:
    numbered = "https://mastodon.example/ap/users/113"
    own = json.loads(json.dumps(ACTIVITIES).replace(ACTOR, numbered))
    assert open_file_source(alone(tmp_path, {"outbox.json": outbox(own)}), None).handle == ALICE
    del own[0]["object"]["url"]
    path = alone(tmp_path, {"outbox.json": outbox(own)})
    with pytest.raises(BadInput, match="give --handle"):
        open_file_source(path, None)
    assert len(read(path, ALICE)) == 6


def test_an_empty_outbox_holds_no_posts(tmp_path: Path) -> None:
    assert read(tar_of(tmp_path, files_of([]))) == []


def test_posts_of_somebody_else_are_refused(tmp_path: Path) -> None:
    other = create(7, "<p>hi</p>") | {"actor": "https://evil.example/users/mallory"}
    path = tar_of(tmp_path, files_of([*ACTIVITIES, other]))
    with pytest.raises(UnreadableSource, match="mallory"):
        read(path)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_half_an_outbox_is_refused(tmp_path: Path, keep: float) -> None:
    files = files_of(ACTIVITIES)
    content = files["outbox.json"]
    path = alone(tmp_path, {"outbox.json": content[: int(len(content) * keep)]})
    with pytest.raises(UnreadableSource, match="invalid JSON"):
        read(path)


def read_hostile(path: Path) -> int:
    return len(read(path))


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "OrderedCollection", "orderedItems": [' + b"[" * 1_000_000,
        b'{"type": "OrderedCollection", "orderedItems": [{"a": "' + b"x" * 30_000_000,
        outbox([create(1, "<" * 200_000), create(2, "<p " * 60_000), create(3, "&" * 200_000)]),
        outbox([create(4, "<b> </b>" * 30_000 + "\n"), create(5, "<p></p>" * 30_000)]),
        outbox([{"type": f"T{n}", "actor": ACTOR, "to": PUBLIC} for n in range(50_000)]),
    ],
    ids=["nested", "endless string", "tags", "blanks", "types"],
)
def test_hostile_outboxes_are_read_or_refused_in_bounded_time(
    tmp_path: Path, content: bytes
) -> None:
    path = alone(tmp_path, {"outbox.json": content})
    ending = read_bounded(read_hostile, path, Limits())
    assert ending.failure is None
    assert ending.refusal is None or "\n" not in ending.refusal


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(PUBLIC),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
FIELDS = ("id", "type", "to", "cc", "object", "actor", "published", "content", "contentMap")
ITEMS = st.dictionaries(st.sampled_from((*FIELDS, "summary", "inReplyTo", "url")), JSON)


@given(activity=ITEMS, post=ITEMS, kind=st.sampled_from(["Create", "Announce", "Like"]))
def test_any_activity_is_a_post_or_none(activity: dict, post: dict, kind: str) -> None:
    made = activity | {"object": post, "type": kind}
    is_public(made)
    found = post_of(made, ALICE, "{}")
    assert found is None or isinstance(found.text, str)


@fixture_shared_by_examples
@given(items=st.lists(ITEMS | JSON, max_size=3), about=JSON)
def test_any_archive_is_read_or_refused(tmp_path: Path, items: list, about: object) -> None:
    files = {"outbox.json": outbox(items), "actor.json": json.dumps(about).encode()}
    path = unpacked(tmp_path, files)
    try:
        read(path)
    except HuggingtweetsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
