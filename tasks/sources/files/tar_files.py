"""The files in a tar, compressed or not.

A tar has no directory: to find a file is to read all that is before it. So it is read once, and the
files that may hold posts are kept in an unnamed temporary file.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from tasks.core.errors import UnreadableSource
from tasks.sources.files.decompression import decompressed, without_suffix
from tasks.sources.read_errors import as_unreadable

MAX_MEMBERS = 200_000
# Of the files that are kept; the others are pictures and films.
KEPT_SUFFIXES = (".csv", ".js", ".json", ".jsonl", ".ndjson", ".parquet", ".tab", ".tsv", ".txt")
_MAX_HEADER = 1 << 20  # bytes of a long name, or of more facts about a file
_LONG_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAGIC_AT, _MAGIC = 257, b"ustar"
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")


def is_tar(stream: BinaryIO, path: Path) -> bool:
    """Whether a file is a tar, by its content or else by its name."""
    if path.name.lower().endswith(_SUFFIXES):
        return True
    content = decompressed(stream, str(path), path.stat().st_size)
    head = content.read(_MAGIC_AT + len(_MAGIC))
    return head[_MAGIC_AT:] == _MAGIC


@dataclass(frozen=True)
class _Place:
    """Where a file lies in the temporary file, in bytes."""

    at: int
    size: int


class TarFiles:
    """The regular files of a tar: see `containers.SourceFiles`. Links are not followed."""

    alone = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as this object is

    def names(self) -> list[str]:
        """All names. Raises UnreadableSource."""
        return sorted(self._places)

    def label(self, name: str) -> str:
        """How errors name a file."""
        return f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """One of the kept files to read."""
        place = self._places[name]
        if place is None:
            raise UnreadableSource(f"{self.label(name)}: is not read out of a tar: unpack it first")
        with as_unreadable(self.label(name)):
            stream = cast("BinaryIO", io.BufferedReader(_Part(self._kept.fileno(), place)))
            yield decompressed(stream, self.label(name), place.size)

    def size(self, names: Iterable[str]) -> int:
        """The bytes that some files have. Raises UnreadableSource."""
        return sum(place.size for name in names if (place := self._places[name]))

    def digest(self, names: Iterable[str]) -> str:
        """Of the contents, so that packing the same files again changes nothing."""
        total = hashlib.sha256()
        for name in sorted(names):
            if place := self._places[name]:
                part = io.BufferedReader(_Part(self._kept.fileno(), place))
                content = hashlib.file_digest(part, "sha256").hexdigest()
                total.update(f"{content} {name}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def local(self, name: str) -> None:
        """None: no file lies by itself."""
        del name

    @cached_property
    def _places(self) -> dict[str, _Place | None]:
        """All files by name, and where those are that are kept. Reads the tar."""
        places: dict[str, _Place | None] = {}
        with as_unreadable(str(self.path)), self.path.open("rb") as stream:
            content = decompressed(stream, str(self.path), self.path.stat().st_size)
            with tarfile.open(fileobj=content, mode="r|", tarinfo=_Info) as archive:
                for info in self._members(archive):
                    name = info.name.replace("\\", "/").removeprefix("./")
                    is_kept = without_suffix(name).lower().endswith(KEPT_SUFFIXES)
                    places[name] = self._keep(archive, info) if is_kept else None
        return places

    def _members(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        """The regular files in their order, each to be read before the next is taken."""
        number = 0
        while (info := archive.next()) is not None:
            cast("Any", archive).members.clear()  # which would grow with every file
            number += 1
            if number > MAX_MEMBERS:
                raise UnreadableSource(f"{self.path}: over {MAX_MEMBERS:,} files: unpack it first")
            if info.isreg() and not info.issparse():
                yield info

    def _keep(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Place:
        at = self._kept.seek(0, os.SEEK_END)
        shutil.copyfileobj(cast("BinaryIO", archive.extractfile(info)), self._kept)
        self._kept.flush()
        return _Place(at, self._kept.tell() - at)


class _Part(io.RawIOBase):
    """A part of an open file, read from its own position."""

    def __init__(self, descriptor: int, place: _Place) -> None:
        self._descriptor = descriptor
        self._at = place.at
        self._end = place.at + place.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        length = min(len(buffer), self._end - self._at)
        content = os.pread(self._descriptor, length, self._at)
        self._at += len(content)
        buffer[: len(content)] = content
        return len(content)


class _Info(tarfile.TarInfo):
    """A header that may not claim a name of gigabytes, which tarfile would read at once."""

    @classmethod
    def frombuf(cls, *args: Any, **options: Any) -> Self:
        info = super().frombuf(*args, **options)
        if info.type in _LONG_HEADERS and info.size > _MAX_HEADER:
            raise tarfile.ReadError("a header that is too long")
        return info
