"""The files inside an archive, read in place: in a folder, or in a zip without extracting it.

Nothing is ever written under a name from an archive, and only files that are asked for are opened.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from tasks.core.errors import UnreadableSource
from tasks.sources.read_errors import as_unreadable
from tasks.storage import sha256_of

MAX_FILE = 4_000_000_000
MAX_RATIO = 200  # posts are compressed 10 to 20 times
_RATIO_MATTERS_FROM = 16 << 20
_MAX_DEPTH = 4  # folders and file; posts are no deeper in any known archive
_ENCRYPTED = 0x1


class ArchiveFiles(Protocol):
    """The files of an archive by name, `/` between folders."""

    def names(self) -> list[str]:
        """All names. Raises UnreadableSource."""
        ...

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file to read; a reader's error inside the block becomes UnreadableSource."""
        ...

    def size(self, names: Iterable[str]) -> int:
        """The bytes that some files have by the archive's own account. Raises UnreadableSource."""
        ...

    def digest(self, names: Iterable[str]) -> str:
        """A digest of the content of some files, hexadecimal. Raises UnreadableSource."""
        ...


def open_archive(path: Path) -> ArchiveFiles:
    """The files of a folder or a zip. Raises UnreadableSource."""
    return _Folder(path) if path.is_dir() else _Zip(path)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = path.resolve()

    def names(self) -> list[str]:
        """Those down to the fourth level; links to folders are not followed."""
        with as_unreadable(str(self._path)):
            return sorted(each.relative_to(self._path).as_posix() for each in self._walk())

    def _walk(self) -> Iterator[Path]:
        for name, subfolders, files in os.walk(self._path):
            folder = Path(name)
            if len(folder.relative_to(self._path).parts) >= _MAX_DEPTH - 1:
                subfolders.clear()
            yield from (folder / file for file in files if (folder / file).is_file())

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with as_unreadable(f"{self._path}/{name}"), self._inside(name).open("rb") as stream:
            yield stream

    def _inside(self, name: str) -> Path:
        file = (self._root / name).resolve()
        if not file.is_relative_to(self._root):
            raise UnreadableSource(f"{self._path}/{name}: a link that leaves the archive")
        return file

    def size(self, names: Iterable[str]) -> int:
        return sum((self._root / name).stat().st_size for name in names)

    def digest(self, names: Iterable[str]) -> str:
        total = hashlib.sha256()
        for name in sorted(names):
            with as_unreadable(f"{self._path}/{name}"):
                content = sha256_of(self._inside(name))
            total.update(f"{content} {name}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()


class _Zip:
    def __init__(self, path: Path) -> None:
        self._path = path
        with as_unreadable(str(path)):
            # Kept open: to open it is to read its whole directory.
            self._archive = zipfile.ZipFile(path)
        self._infos = {info.filename: info for info in self._archive.infolist()}
        for name in self._infos:
            if name.startswith(("/", "\\")) or ".." in re.split(r"[\\/]", name):
                raise UnreadableSource(
                    f"{path}: holds {name[:80]!r}, a name that leaves the archive: "
                    "download the archive again"
                )

    def names(self) -> list[str]:
        return sorted(self._infos)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file that passed the checks; zipfile reads no more bytes than it declared."""
        label = f"{self._path}/{name}"
        info = self._infos[name]
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableSource(f"{label}: is encrypted: unpack it with its password first")
        if info.file_size > MAX_FILE or _is_bomb(info.file_size, info.compress_size):
            raise _too_large(f"{label}: claims", info.file_size, info.compress_size)
        with as_unreadable(label), self._archive.open(info) as stream:
            yield cast("BinaryIO", stream)

    def size(self, names: Iterable[str]) -> int:
        total = sum(self._infos[name].file_size for name in names)
        # Several files may claim the same compressed bytes, so what counts is the whole zip.
        if _is_bomb(total, size := self._path.stat().st_size):
            raise _too_large(f"{self._path}: its posts claim", total, size)
        return total

    def digest(self, names: Iterable[str]) -> str:
        """Of sizes and checksums, which a zip's directory holds: no file is read."""
        infos = [self._infos[name] for name in sorted(names)]
        lines = "".join(f"{i.CRC:08x} {i.file_size} {i.filename}\n" for i in infos)
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _is_bomb(size: int, compressed: int) -> bool:
    return size > _RATIO_MATTERS_FROM and size > MAX_RATIO * max(compressed, 1)


def _too_large(claim: str, size: int, compressed: int) -> UnreadableSource:
    return UnreadableSource(
        f"{claim} {size:,} bytes in {compressed:,} compressed ones, which no posts do: "
        "download the archive again"
    )
