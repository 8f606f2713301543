"""Files that visitors upload: streamed to disk, bounded, and deleted when they are used or old."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.core.errors import BadInput
from tasks.publishing.escaping import plain

_KEPT = 60 * 60.0  # seconds that an upload waits to be used
_ROOM = 1_000_000_000  # bytes that stay free on the disk
_PIECE = 1 << 20  # bytes written at once


class NoRoom(BadInput):
    """As many uploads as are kept, or a disk that is nearly full."""


@dataclass(eq=False)
class Upload:
    """A file; id: what nobody can guess. is_used: whether a bot is being made of it."""

    path: Path
    size: int
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    at: float = field(default_factory=time.monotonic)
    is_used: bool = False


class Uploads:
    """The uploads in a folder, which only this user may read."""

    def __init__(self, folder: Path, most: int = 6) -> None:
        """most: files at a time, those on their way included."""
        self._folder, self._most = folder, most
        self._kept: dict[str, Upload] = {}

    async def receive(self, body: AsyncIterator[bytes], size: int, name: str) -> Upload:
        """Store a body of so many bytes under a name. Raises NoRoom, BadInput."""
        if size <= 0:
            raise BadInput(f"{_file_name(name)}: is empty: choose the file with the posts")
        upload = self._reserve(size, name)
        try:
            await self._write(upload, body)
        except BaseException:
            self.remove(upload.id)
            raise
        return upload

    def _reserve(self, size: int, name: str) -> Upload:
        for old in [each for each in self._kept.values() if _is_old(each)]:
            self.remove(old.id)
        if len(self._kept) >= self._most:
            raise NoRoom(f"{len(self._kept)} uploads wait to be used: try again later")
        on_their_way = sum(each.size - _size_of(each.path) for each in self._kept.values())
        free = shutil.disk_usage(self._folder).free - on_their_way - _ROOM
        if size > free:
            raise NoRoom(
                f"{size:,} bytes do not fit on the disk of {self._folder.parent}, where "
                f"{max(free, 0):,} are left: make room, or set TMPDIR to a larger disk"
            )
        upload = Upload(self._folder, size)
        upload.path = self._folder / upload.id / _file_name(name)
        upload.path.parent.mkdir(mode=0o700)
        self._kept[upload.id] = upload
        return upload

    async def _write(self, upload: Upload, body: AsyncIterator[bytes]) -> None:
        """Raises BadInput for more or fewer bytes than were announced."""
        written, piece = 0, bytearray()
        with upload.path.open("xb") as file:
            async for part in body:
                piece += part
                written += len(part)
                if written > upload.size:
                    raise BadInput(f"{upload.path.name}: more than {upload.size:,} bytes arrived")
                if len(piece) >= _PIECE:
                    await asyncio.to_thread(file.write, piece)
                    piece, upload.at = bytearray(), time.monotonic()
            await asyncio.to_thread(file.write, piece)
        if written != upload.size:
            raise BadInput(f"{upload.path.name}: {written:,} of {upload.size:,} bytes have arrived")

    def use(self, name: str) -> Upload:
        """Take an upload for a bot, so that it is not deleted while it is read. Raises BadInput."""
        upload = self._kept.get(name)
        if upload is None or upload.is_used or upload.size != _size_of(upload.path):
            raise BadInput("an upload is not there any more: choose the file again")
        upload.is_used = True
        return upload

    def remove(self, name: str) -> None:
        """Delete an upload, if it is there."""
        if (upload := self._kept.pop(name, None)) is not None:
            shutil.rmtree(upload.path.parent, ignore_errors=True)


def _is_old(upload: Upload) -> bool:
    return not upload.is_used and time.monotonic() - upload.at > _KEPT


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _file_name(given: str) -> str:
    """A name without folders and without what a file system or a terminal would act on."""
    name = (
        plain(given.replace("\\", "/").rpartition("/")[2], 100)
        .encode()[:200]
        .decode(errors="ignore")
    )
    return name.lstrip(".").strip() or "upload"
