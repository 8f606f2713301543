"""Uploads: streamed to disk, bounded in size and number, and gone when they are used or old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployments.web.uploads import NoRoom, Uploads
from tasks.core.errors import BadInput


async def body(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("tweets.zip", "tweets.zip"),
        ("../../etc/passwd", "passwd"),
        ("C:\\archive\\a.csv", "a.csv"),
        ("..", "upload"),
        (".bashrc", "bashrc"),
        ("a\x00\x1b[31m\nb.csv", "a[31m b.csv"),
        ("é" * 300, "é" * 98),
        ("/", "upload"),
    ],
)
def test_a_file_is_stored_under_a_harmless_name(tmp_path: Path, given: str, stored: str) -> None:
    uploads = Uploads(tmp_path)
    upload = asyncio.run(uploads.receive(body(b"a", b"bc"), 3, given))
    assert upload.path.read_bytes() == b"abc"
    assert upload.path.name.startswith(stored)
    assert upload.path.parent.parent == tmp_path
    assert upload.path.parent.stat().st_mode & 0o077 == 0
    assert uploads.use(upload.id) is upload
    with pytest.raises(BadInput):
        uploads.use(upload.id)
    uploads.remove(upload.id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("parts", [(b"ab",), (b"ab", b"cdef"), ()])
def test_a_body_that_is_not_as_long_as_announced_leaves_nothing(
    tmp_path: Path, parts: tuple[bytes, ...]
) -> None:
    uploads = Uploads(tmp_path, most=1)
    for _ in range(2):
        with pytest.raises(BadInput, match="bytes"):
            asyncio.run(uploads.receive(body(*parts), 3, "a"))
        assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.csv: is empty"):
        asyncio.run(Uploads(tmp_path).receive(body(), 0, "a.csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_visitor_who_leaves_leaves_nothing(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    async def story() -> None:
        task = asyncio.create_task(Uploads(tmp_path).receive(endless(), 10**8, "a"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert list(tmp_path.iterdir()) == []


def test_their_number_and_the_disk_are_bounds(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, most=2)
    for _ in range(2):
        kept = asyncio.run(uploads.receive(body(b"a"), 1, "a"))
    with pytest.raises(NoRoom, match="2 uploads"):
        asyncio.run(uploads.receive(body(b"a"), 1, "a"))
    kept.at -= 2 * 60 * 60
    asyncio.run(uploads.receive(body(b"a"), 1, "a"))
    with pytest.raises(BadInput, match="not there any more"):
        uploads.use(kept.id)
    with pytest.raises(NoRoom, match="do not fit"):
        asyncio.run(Uploads(tmp_path).receive(body(b"a"), 10**15, "a"))
    with pytest.raises(BadInput):
        uploads.use("../../etc/passwd")
