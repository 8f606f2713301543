"""Avatars: a stranger's file becomes a picture of ours, or nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.core.names import Handle
from tasks.core.records import Profile
from tasks.publishing.avatars import MAX_BYTES, avatar_of, redrawn
from tasks.publishing.untrusted_images import size_of
from tasks.storage import Storage
from tests.servers.pictures import Pictures, running_pictures
from tests.tasks.publishing.drawn import as_drawn, drawn_as, drawn_png

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RED, BLUE = drawn_png(40, 40), drawn_png(40, 30, (0, 0, 255))
GIF = b"GIF89a" + struct.pack("<HH", 4, 4) + b"\0\0\0;"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>'


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with running_pictures() as pictures:
        pictures.files["/a.png"] = ("image/png", RED)
        yield pictures


@pytest.fixture
def profile(pictures: Pictures) -> Profile:
    return Profile(Handle("alice"), "Alice", f"{pictures.url}/a.png")


def avatar(storage: Storage, profile: Profile, days: int = 0, hosts: str = "any") -> bytes | None:
    return avatar_of(storage, profile, hosts=hosts, now=NOW + timedelta(days=days))


def test_an_avatar_is_fetched_once_a_week(
    storage: Storage, pictures: Pictures, profile: Profile
) -> None:
    first = avatar(storage, profile)
    assert first is not None
    assert size_of(first) == (240, 240)
    pictures.files["/a.png"] = ("image/png", BLUE)
    assert avatar(storage, profile, days=6) == first
    assert len(pictures.requests) == 1
    second = avatar(storage, profile, days=7)
    assert second not in {None, first}
    assert storage.keys("avatars/alice") == [
        "avatars/alice/avatar.json",
        "avatars/alice/avatar.png",
    ]
    pictures.files["/b.png"] = ("image/png", RED)
    moved = replace(profile, avatar_url=f"{pictures.url}/b.png")
    assert avatar(storage, moved, days=7) == first, "another address is another avatar"


def test_an_old_avatar_is_good_where_no_new_one_can_be_had(
    storage: Storage, pictures: Pictures, profile: Profile
) -> None:
    first = avatar(storage, profile)
    pictures.files.clear()
    assert avatar(storage, profile, days=30) == first
    storage.write("avatars/alice/avatar.png", b"damaged")
    assert avatar(storage, profile, days=30) is None
    storage.write("avatars/alice/avatar.json", b"[1]")
    assert avatar(storage, profile, days=30) is None
    storage.delete("avatars/alice/avatar.png")
    pictures.files["/a.png"] = ("image/png", RED)
    assert avatar(storage, profile, days=30) == first


def test_none_is_fetched_where_it_must_not_be(
    storage: Storage, pictures: Pictures, profile: Profile
) -> None:
    assert avatar(storage, profile, hosts="public") is None
    assert avatar(storage, profile, hosts="off") is None
    assert avatar(storage, replace(profile, avatar_url=None)) is None
    assert pictures.requests == []
    assert not storage.exists("avatars")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text/html", RED),
        ("image/png", b"<html>"),
        ("image/png", RED[:60]),
        ("image/png", GIF),
        ("image/svg+xml", SVG),
        ("image/png", SVG),
        ("image/png", RED + b"x" * MAX_BYTES),
        ("image/png", drawn_png(2001, 2000)),
        ("image/png", RED.replace(struct.pack(">II", 40, 40), struct.pack(">II", 0, 40))),
    ],
)
def test_what_is_no_small_picture_is_none(
    storage: Storage, pictures: Pictures, profile: Profile, kind: str, data: bytes
) -> None:
    pictures.files["/a.png"] = (kind, data)
    assert avatar(storage, profile) is None
    assert not storage.exists("avatars")


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_jpeg_and_webp_are_taken(form: str) -> None:
    data = drawn_as(form, 50, 20)
    assert size_of(data) == (50, 20)
    assert size_of(redrawn(data)) == (240, 240)


def test_an_avatar_drawn_again_stays_the_same() -> None:
    png = redrawn(BLUE)
    assert as_drawn(png) == png


@given(
    st.sampled_from([RED, BLUE, drawn_as("jpeg", 30, 30), drawn_as("webp", 30, 30)]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5),
    st.integers(0, 2000),
)
def test_damaged_pictures_are_refused_or_drawn(
    data: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(data)
    for place, byte in changes:
        damaged[place % len(data)] = byte
    try:
        png = redrawn(bytes(damaged[: length or None]))
    except BadInput:
        return
    assert size_of(png) == (240, 240)
