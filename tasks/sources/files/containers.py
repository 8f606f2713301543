"""The files that a path stands for: a file alone, or those in a folder, a zip or a tar.

They are read in place: nothing is ever written under a name from an archive, and only files that
are asked for are opened. A compressed file is read decompressed.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from tasks.core.errors import UnreadableSource
from tasks.sources.files.decompression import MAX_RATIO, decompressed, is_compressed
from tasks.sources.files.tar_files import TarFiles, is_tar
from tasks.sources.read_errors import as_unreadable
from tasks.storage import sha256_of

MAX_FILE = 4_000_000_000
_RATIO_MATTERS_FROM = 16 << 20
_MAX_DEPTH = 6  # folders and file; posts are no deeper in any known archive
_ENCRYPTED = 0x1
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")  # with files in it, and empty


class SourceFiles(Protocol):
    """Files by name, `/` between folders.

    path: what was given. alone: whether it is one file, which then has its own name.
    """

    @property
    def path(self) -> Path: ...  # noqa: D102 - see above

    @property
    def alone(self) -> bool: ...  # noqa: D102 - see above

    def names(self) -> list[str]:
        """All names. Raises UnreadableSource."""
        ...

    def label(self, name: str) -> str:
        """How errors name a file."""
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

    def local(self, name: str) -> Path | None:
        """Where the file lies by itself and not compressed, or None."""
        ...


def open_files(path: Path) -> SourceFiles:
    """The files at a path. Raises UnreadableSource."""
    with as_unreadable(str(path)):
        if path.is_dir():
            return _Folder(path)
        is_file, is_other = path.is_file(), path.exists()
    if not is_file:
        seen = "is a pipe or a device: save it as a file"
        raise UnreadableSource(
            f"{path}: {seen if is_other else 'there is no such file: check the path'}"
        )
    with as_unreadable(str(path)), path.open("rb") as stream:
        is_zip = stream.read(4) in _ZIPS or path.suffix.lower() == ".zip"
        if is_zip:
            return _Zip(path)
        stream.seek(0)
        if not is_tar(stream, path):
            return _OneFile(path)
        state = os.fstat(stream.fileno())
        return _unpacked(path, (state.st_mtime_ns, state.st_size, state.st_ino))


@lru_cache(maxsize=1)
def _unpacked(path: Path, state: tuple[int, int, int]) -> TarFiles:
    """A tar, kept for the import that follows when its digest was asked for: it is read whole."""
    del state
    return TarFiles(path)


class _OneFile:
    alone = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        return [self.path.name]

    def label(self, name: str) -> str:
        del name
        return str(self.path)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with as_unreadable(self.label(name)), self.path.open("rb") as stream:
            yield decompressed(stream, self.label(name), self.path.stat().st_size)

    def size(self, names: Iterable[str]) -> int:
        return self.path.stat().st_size if list(names) else 0

    def digest(self, names: Iterable[str]) -> str:
        del names
        with as_unreadable(str(self.path)):
            return sha256_of(self.path)

    def local(self, name: str) -> Path | None:
        del name
        return None if is_compressed(self.path) else self.path


class _Folder:
    alone = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = path.resolve()

    def names(self) -> list[str]:
        """Those down to the sixth level; links to folders are not followed."""
        with as_unreadable(str(self.path)):
            return sorted(each.relative_to(self.path).as_posix() for each in self._walk())

    def _walk(self) -> Iterator[Path]:
        for name, subfolders, files in os.walk(self.path):
            folder = Path(name)
            if len(folder.relative_to(self.path).parts) >= _MAX_DEPTH - 1:
                subfolders.clear()
            yield from (folder / file for file in files if (folder / file).is_file())

    def label(self, name: str) -> str:
        return f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        file = self._inside(name)
        with as_unreadable(self.label(name)), file.open("rb") as stream:
            yield decompressed(stream, self.label(name), file.stat().st_size)

    def _inside(self, name: str) -> Path:
        file = (self._root / name).resolve()
        if not file.is_relative_to(self._root):
            raise UnreadableSource(f"{self.label(name)}: a link that leaves the folder")
        return file

    def size(self, names: Iterable[str]) -> int:
        return sum((self._root / name).stat().st_size for name in names)

    def digest(self, names: Iterable[str]) -> str:
        total = hashlib.sha256()
        for name in sorted(names):
            with as_unreadable(self.label(name)):
                content = sha256_of(self._inside(name))
            total.update(f"{content} {name}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def local(self, name: str) -> Path | None:
        file = self._inside(name)
        return None if is_compressed(file) else file


class _Zip:
    alone = False

    def __init__(self, path: Path) -> None:
        self.path = path
        with as_unreadable(str(path)):
            # Kept open: to open it is to read its whole directory.
            self._archive = zipfile.ZipFile(path)
        # Some programs of Windows write the names with its separator.
        named = [(i.filename.replace("\\", "/"), i) for i in self._archive.infolist()]
        self._infos = {name: info for name, info in named if not name.endswith("/")}
        self._times = Counter(name for name, _ in named)
        for name in self._infos:
            if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
                raise UnreadableSource(
                    f"{path}: holds {name[:80]!r}, a name that leaves the archive: "
                    "unpack and pack it again"
                )

    def names(self) -> list[str]:
        return sorted(self._infos)

    def label(self, name: str) -> str:
        return f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file that passed the checks; zipfile reads no more bytes than it declared."""
        label = self.label(name)
        info = self._infos[name]
        if self._times[name] > 1:
            raise UnreadableSource(
                f"{label}: is there {self._times[name]} times: unpack and pack it again"
            )
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableSource(f"{label}: is encrypted: unpack it with its password first")
        if info.file_size > MAX_FILE or _is_bomb(info.file_size, info.compress_size):
            raise _too_large(f"{label}: claims", info.file_size, info.compress_size)
        with as_unreadable(label), self._archive.open(info) as stream:
            yield decompressed(cast("BinaryIO", stream), label, info.file_size)

    def size(self, names: Iterable[str]) -> int:
        total = sum(self._infos[name].file_size for name in names)
        # Several files may claim the same compressed bytes, so what counts is the whole zip.
        if _is_bomb(total, size := self.path.stat().st_size):
            raise _too_large(f"{self.path}: its posts claim", total, size)
        return total

    def digest(self, names: Iterable[str]) -> str:
        """Of sizes and checksums, which a zip's directory holds: no file is read."""
        infos = [self._infos[name] for name in sorted(names)]
        lines = "".join(f"{i.CRC:08x} {i.file_size} {i.filename}\n" for i in infos)
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()

    def local(self, name: str) -> None:
        del name


def _is_bomb(size: int, compressed: int) -> bool:
    return size > _RATIO_MATTERS_FROM and size > MAX_RATIO * max(compressed, 1)


def _too_large(claim: str, size: int, compressed: int) -> UnreadableSource:
    return UnreadableSource(
        f"{claim} {size:,} bytes in {compressed:,} compressed ones, which no posts do: "
        "pack or download it again"
    )
