"""Text in other encodings than UTF-8, read as UTF-8."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tasks.sources.files.containers import SourceFiles

UTF8, WINDOWS_1252 = "utf-8", "cp1252"
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20
_RECODED = 1 << 16
# In the languages that are written in Windows-1252 few letters are not ASCII. Where more are, the
# bytes mean something else: Greek, Cyrillic, Japanese.
_MAX_SHARE = 0.3
_UNDEFINED = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))
_ASCII = bytes(range(128))


def marked_encoding(head: bytes) -> str | None:
    """The encoding that the mark at the start of a file names, if there is one."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def encoding_of(files: SourceFiles, name: str) -> str:
    """The encoding of a text: that of its mark, UTF-8, or Windows-1252.

    Windows-1252 only where nothing but ASCII is UTF-8, so that a damaged byte in UTF-8 does not
    turn the whole text into something else. Reads the file once. Raises UnreadableSource.
    """
    with files.open(name) as stream:
        head = stream.read(4)
    if marked := marked_encoding(head):
        return marked
    return UTF8 if _is_utf8(files, name) or not _is_windows_1252(files, name) else WINDOWS_1252


@contextmanager
def open_utf8(files: SourceFiles, name: str, encoding: str) -> Iterator[BinaryIO]:
    """A text file as bytes of UTF-8. Raises UnreadableSource, also while it is read."""
    with files.open(name) as stream:
        yield (
            stream if encoding == UTF8 else io.BufferedReader(_Recoded(stream, encoding), _RECODED)
        )


def _is_utf8(files: SourceFiles, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(UTF8)()
    with files.open(name) as stream:
        try:
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _is_windows_1252(files: SourceFiles, name: str) -> bool:
    """Judged by the lines that are not ASCII: none is UTF-8, and few of their bytes are foreign."""
    foreign = size = 0
    with files.open(name) as stream:
        while line := stream.readline(_CHUNK):
            if line.isascii():
                continue
            others = line.translate(None, _ASCII)
            if _is_text_in(line, UTF8) or any(byte in _UNDEFINED for byte in others):
                return False
            foreign, size = foreign + len(others), size + len(line)
    return foreign <= _MAX_SHARE * size


def _is_text_in(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


class _Recoded(io.RawIOBase):
    """A stream of text as bytes of UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            content = self._stream.read(_RECODED)
            self._ended = not content
            text = self._decoder.decode(content, final=self._ended)
            self._ready = text.encode(UTF8)
        content, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)
