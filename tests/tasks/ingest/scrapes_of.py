"""Scrapes made up for the tests of the lake, and a storage that dies."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.posts import append
from tasks.storage import Storage, open_storage

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def post(number: int, text: str = "hi", source: str = "x_api", raw: str = "{}") -> Post:
    created_at = None if number % 3 == 0 else NOW - timedelta(days=number)
    return Post(str(number), ALICE, created_at, text, "en", Kind.POST, source, raw)


def scrape(storage: Storage, day: int, *posts: Post) -> int:
    return append(storage, ALICE, [list(posts)], scraped_at=NOW + timedelta(days=day)).new


def copied(storage: Storage, folder: Path) -> Storage:
    shutil.copytree(storage.path, folder)
    return open_storage(str(folder))


class Died(BaseException):
    """As a kill: nothing of ours catches it."""


@dataclass(frozen=True)
class Mortal(Storage):
    """Dies instead of the change that comes after so many others."""

    left: list[int] = field(default_factory=lambda: [0])

    def _live(self) -> None:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise Died

    def write(self, key: str, data: bytes) -> str:
        self._live()
        return super().write(key, data)

    def install_file(self, draft: Path, key: str) -> None:
        self._live()
        super().install_file(draft, key)

    def delete(self, key: str) -> None:
        self._live()
        super().delete(key)


def mortal(storage: Storage, changes: int) -> Mortal:
    return Mortal(storage.url, storage.filesystem, storage.path, [changes])
