"""Compressed files, read as they are, in memory and time that their size bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tasks.core.errors import UnreadableSource

MAX_RATIO = 200  # posts are compressed 5 to 20 times
RATIO_MATTERS_FROM = 32 << 20  # bytes
SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
HEAD = 6  # bytes that show how a file is compressed
_XZ_MEMORY = 128 << 20  # bytes; the largest preset needs 65 MB
_CHUNK = 1 << 18


def decompressed(stream: BinaryIO, label: str, size: int) -> BinaryIO:
    """The stream of a file's content: the file's own if it is not compressed.

    stream: at its start, with `peek`; label: of the file, for errors; size: of the file in bytes.
    Reading raises UnreadableSource for what expands to more than posts do, and the errors of
    gzip, bz2, lzma and pyarrow for what is damaged.
    """
    head = cast("Any", stream).peek(HEAD)[:HEAD]
    opener = next((opened for magic, opened in _OPENERS if head.startswith(magic)), None)
    if opener is None:
        return stream
    limit = max(RATIO_MATTERS_FROM, MAX_RATIO * size)
    return io.BufferedReader(_Bounded(opener(stream), label, limit), _CHUNK)


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its content."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    return any(head.startswith(magic) for magic, _ in _OPENERS)


def without_suffix(name: str) -> str:
    """A file's name without the `.gz` and the like at its end."""
    found = next((each for each in SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(found)]


class _Bounded(io.RawIOBase):
    """A stream that may not yield more than a limit of bytes."""

    def __init__(self, stream: BinaryIO, label: str, limit: int) -> None:
        self._stream = stream
        self._label = label
        self._left = limit
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._stream.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise UnreadableSource(
                f"{self._label}: expands to over {self._limit:,} bytes, which no posts of a file "
                "of its size do: compress it again"
            )
        buffer[: len(content)] = content
        return len(content)


class _Xz(io.RawIOBase):
    """An xz file; unlike lzma.LZMAFile with a limit on its dictionary, which may claim 4 GB."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            content = self._next(len(buffer))
            if content is None:
                return 0
            if content:
                buffer[: len(content)] = content
                return len(content)

    def _next(self, length: int) -> bytes | None:
        """The next bytes, none if more input is needed, or None at the end."""
        source = b""
        if self._decoder.eof:
            source = self._decoder.unused_data.lstrip(b"\0") or self._stream.read(_CHUNK)
            if not source.strip(b"\0"):
                return None
            self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        elif self._decoder.needs_input:
            source = self._stream.read(_CHUNK)
            if not source:
                raise EOFError("the compressed file ends early")
        return self._decoder.decompress(source, length)


def _gunzipped(stream: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=stream))


def _bunzipped(stream: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", bz2.BZ2File(stream))


def _unxzed(stream: BinaryIO) -> BinaryIO:
    return io.BufferedReader(_Xz(stream))


def _unzstded(stream: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", pa.CompressedInputStream(cast("Any", stream), "zstd"))


_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...] = (
    (b"\x1f\x8b", _gunzipped),
    (b"BZh", _bunzipped),
    (b"\xfd7zXZ\0", _unxzed),
    (b"\x28\xb5\x2f\xfd", _unzstded),
)
