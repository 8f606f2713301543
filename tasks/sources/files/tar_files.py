"""The files in a tar, compressed or not: it has no directory, so it is read from its start."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from tasks.core.errors import UnreadableSource
from tasks.sources.files.decompression import decompressed
from tasks.sources.read_errors import as_unreadable

MAX_MEMBERS = 200_000
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


class TarFiles:
    """The regular files of a tar: see `containers.SourceFiles`. Links are not followed."""

    alone = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """All names. Raises UnreadableSource."""
        return sorted(self._sizes)

    def label(self, name: str) -> str:
        """How errors name a file."""
        return f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file to read, found by reading the tar up to it."""
        with as_unreadable(self.label(name)), self._members() as members:
            for info, archive in members:
                if _name(info) == name:
                    stream = cast("BinaryIO", archive.extractfile(info))
                    yield decompressed(stream, self.label(name), info.size)
                    return
        raise UnreadableSource(f"{self.label(name)}: is not in the archive any more")

    def size(self, names: Iterable[str]) -> int:
        """The bytes that some files have. Raises UnreadableSource."""
        return sum(self._sizes[name] for name in names)

    def digest(self, names: Iterable[str]) -> str:
        """Of the contents, so that packing the same files again changes nothing."""
        wanted = set(names)
        found: dict[str, str] = {}
        with as_unreadable(str(self.path)), self._members() as members:
            for info, archive in members:
                if (name := _name(info)) in wanted:
                    stream = cast("Any", archive.extractfile(info))
                    found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        lines = "".join(f"{content} {name}\n" for name, content in sorted(found.items()))
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()

    def local(self, name: str) -> None:
        """None: no file lies by itself."""
        del name

    @cached_property
    def _sizes(self) -> dict[str, int]:
        with as_unreadable(str(self.path)), self._members() as members:
            return {_name(info): info.size for info, _ in members}

    @contextmanager
    def _members(self) -> Iterator[Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]]:
        """The regular files in their order, each to be read before the next is taken."""
        with self.path.open("rb") as stream:
            content = decompressed(stream, str(self.path), self.path.stat().st_size)
            with tarfile.open(fileobj=content, mode="r|", tarinfo=_Info) as archive:
                yield self._regular(archive)

    def _regular(
        self, archive: tarfile.TarFile
    ) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        number = 0
        while (info := archive.next()) is not None:
            cast("Any", archive).members.clear()  # which would grow with every file
            number += 1
            if number > MAX_MEMBERS:
                raise UnreadableSource(f"{self.path}: over {MAX_MEMBERS:,} files: unpack it first")
            if info.isreg() and not info.issparse():
                yield info, archive


class _Info(tarfile.TarInfo):
    """A header that may not claim a name of gigabytes, which tarfile would read at once."""

    @classmethod
    def frombuf(cls, *args: Any, **options: Any) -> Self:
        info = super().frombuf(*args, **options)
        if info.type in _LONG_HEADERS and info.size > _MAX_HEADER:
            raise tarfile.ReadError("a header that is too long")
        return info


def _name(info: tarfile.TarInfo) -> str:
    return info.name.replace("\\", "/").removeprefix("./")
