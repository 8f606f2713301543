"""Exports of Bluesky repositories, made up block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, HuggingtweetsError, UnreadableSource
from tasks.core.names import BlueskyHandle, Handle
from tasks.core.records import Kind, Post
from tasks.sources.bluesky.feed import post_of
from tasks.sources.bluesky.repository import read_repository
from tasks.sources.file_sources import open_file_source
from tests.servers.bluesky import did_of, element, tid
from tests.strategies import fixture_shared_by_examples

NAME = "alice.bsky.social"
ALICE = BlueskyHandle(NAME)
START = datetime(2025, 1, 1, tzinfo=UTC)
POSTS, REPOSTS = "app.bsky.feed.post", "app.bsky.feed.repost"
A_HASH = b"\x01\x71\x12\x20" + bytes(32)


class Blocks:
    """The blocks of a file, each under the hash of its content."""

    def __init__(self) -> None:
        self.body = b""

    def add(self, value: Any) -> bytes:
        """Add a block; returns its hash."""
        content = libipld.encode_dag_cbor(value)
        cid = b"\x01\x71\x12\x20" + hashlib.sha256(content).digest()
        self.body += varint(len(cid) + len(content)) + cid + content
        return cid

    def tree(self, records: Sequence[tuple[str, Any]]) -> bytes:
        """A tree with a node for each three records, one below the other."""
        below = self.tree(records[3:]) if len(records) > 3 else None
        entries: list[dict[str, Any]] = []
        before = ""
        for key, record in records[:3]:
            shared = len(before) and next(
                (n for n, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), 0
            )
            link = self.add(record)
            entries.append({"p": shared, "k": key[shared:].encode(), "v": link, "t": None})
            before = key
        if entries:
            entries[-1]["t"] = below
        return self.add({"l": None, "e": entries})

    def file(self, root: bytes) -> bytes:
        """The whole file, whose commit has this tree."""
        commit = {"did": did_of(NAME), "version": 3, "data": root, "rev": "3k", "prev": None}
        header = libipld.encode_dag_cbor({"roots": [self.add(commit)], "version": 1})
        return varint(len(header)) + header + self.body


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def record(text: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {"$type": POSTS, "text": text, "createdAt": at.isoformat(), **more}


def export(records: Mapping[str, Any]) -> bytes:
    blocks = Blocks()
    return blocks.file(blocks.tree(sorted(records.items())))


def an_export(number: int = 20) -> bytes:
    """Posts, a repost, and a like."""
    found: dict[str, Any] = {}
    for n in range(number):
        at = START + timedelta(hours=n)
        found[f"{POSTS}/{tid(at)}"] = record(f"post {n}", at, langs=["en"])
    subject = {"uri": f"at://did:plc:bob/{POSTS}/3kabcdefghijk", "cid": "bafy"}
    repost = {"$type": REPOSTS, "subject": subject, "createdAt": START.isoformat()}
    found[f"{REPOSTS}/{tid(START)}"] = repost
    found[f"app.bsky.feed.like/{tid(START)}"] = {"subject": subject, "createdAt": "x"}
    found["app.bsky.actor.profile/self"] = {"avatar": {"ref": A_HASH, "size": 1}}
    return export(found)


def read(path: Path, handle: Handle | None = ALICE) -> list[Post]:
    return [post for batch in open_file_source(path, handle).batches(None) for post in batch]


@pytest.fixture
def car(tmp_path: Path) -> Path:
    path = tmp_path / "repo.car"
    path.write_bytes(an_export())
    return path


def test_an_export_holds_the_posts_that_the_service_would_give(car: Path) -> None:
    posts = {post.text: post for post in read(car)}
    for n in range(20):
        at = START + timedelta(hours=n)
        fetched = post_of(element(NAME, at, f"post {n}", langs=["en"]), ALICE, did_of(NAME), "x")
        found = posts[f"post {n}"]
        wanted = (fetched.id, fetched.created_at, fetched.kind, fetched.lang)
        assert (found.id, found.created_at, found.kind, found.lang) == wanted
    assert {post.source for post in posts.values()} == {"bluesky_export"}
    (repost,) = [post for post in posts.values() if post.kind is Kind.RETWEET]
    assert (repost.text, len(posts)) == (f"at://did:plc:bob/{POSTS}/3kabcdefghijk", 21)


def test_what_is_no_post_is_counted(car: Path) -> None:
    source = open_file_source(car, ALICE)
    assert sum(map(len, source.batches(None))) == 21
    assert source.findings.notices == ["left out records that are no posts: 2"]
    assert source.findings.ids.understood == 21


def test_an_export_needs_a_handle_of_bluesky(car: Path) -> None:
    with pytest.raises(BadInput, match="give --handle"):
        read(car, None)
    with pytest.raises(BadInput, match="@alice is a handle of X"):
        read(car, Handle("alice"))


def test_replies_quotes_and_pictures_are_known(tmp_path: Path) -> None:
    uri = {"uri": f"at://did:plc:bob/{POSTS}/3k", "cid": "bafy"}
    quote = {"$type": "app.bsky.embed.record", "record": uri}
    picture = {"$type": "app.bsky.embed.images", "images": [{"image": {"ref": A_HASH}}]}
    at = [START + timedelta(days=n) for n in range(3)]
    records = {
        f"{POSTS}/{tid(at[0])}": record("a", at[0], reply={"root": uri, "parent": uri}),
        f"{POSTS}/{tid(at[1])}": record("b", at[1], embed=quote),
        f"{POSTS}/{tid(at[2])}": record("c", at[2], embed=picture),
    }
    path = tmp_path / "repo.car"
    path.write_bytes(export(records))
    kinds = [post.kind for post in sorted(read(path), key=lambda post: post.text)]
    assert kinds == [Kind.REPLY, Kind.QUOTE, Kind.POST]


def test_a_key_from_the_future_or_without_a_date_is_not_believed(tmp_path: Path) -> None:
    future = f"{POSTS}/{tid(datetime(2100, 1, 1, tzinfo=UTC))}"
    path = tmp_path / "repo.car"
    path.write_bytes(export({future: record("now", START), f"{POSTS}/self": record("own", START)}))
    assert {post.created_at for post in read(path)} == {START}
    path.write_bytes(export({f"{POSTS}/self": {"text": "no date"}}))
    with pytest.raises(UnreadableSource, match=r"app\.bsky\.feed\.post/self"):
        read(path)


@pytest.mark.parametrize("cut", [20, 200, 2_000])
def test_half_an_export_is_refused(car: Path, cut: int) -> None:
    car.write_bytes(car.read_bytes()[:-cut])
    with pytest.raises(UnreadableSource, match="no whole export of Bluesky"):
        read(car)


def test_a_tree_that_is_none_is_refused_and_a_ring_ends(tmp_path: Path) -> None:
    entry = {"p": 0, "k": b"a/b", "v": A_HASH, "t": None}
    odd: list[Any] = [
        *({"l": None}, {"l": 7, "e": []}, {"l": None, "e": [7]}, {"l": None, "e": [entry]}),
        {"l": None, "e": [{**entry, "k": b"x" * 2_000}]},
        {"l": A_HASH, "e": []},
    ]
    for node in odd:
        blocks = Blocks()
        with pytest.raises(UnreadableSource):
            list(read_repository(blocks.file(blocks.add(node)), "repo.car").records())
    blocks = Blocks()
    repository = read_repository(blocks.file(blocks.tree([])), "repo.car")
    repository.blocks[repository.root] = {"l": repository.root, "e": []}
    assert list(repository.records()) == []


@fixture_shared_by_examples
@given(data=st.data())
def test_any_damage_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(an_export(5))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "repo.car"
    path.write_bytes(content)
    try:
        read(path)
    except HuggingtweetsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
