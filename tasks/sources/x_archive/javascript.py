"""The `.js` files of X archives: an assignment, then JSON; read bit by bit."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from tasks.core.errors import UnreadableSource

CHUNK = 1 << 20
MAX_ELEMENT = 512 << 10  # a post of 25,000 characters, each as an escape, is 150,000
MAX_SMALL = 4 << 20
_ASSIGNMENT = re.compile(r"\s*(?:(?:window|Grailbird)\.[\w.]+|var\s+\w+)\s*=\s*", re.ASCII)
_BLANK = re.compile(r"[ \t\n\r]*")
_LONGEST_ASSIGNMENT = 1_000
_decode = json.JSONDecoder().raw_decode


def read_value(stream: BinaryIO, label: str) -> Any:
    """The value that a small file assigns. Raises UnreadableSource, which names `label`."""
    content = stream.read(MAX_SMALL + 1)
    if len(content) > MAX_SMALL:
        raise UnreadableSource(
            f"{label}: over {MAX_SMALL:,} bytes, too many to describe an account"
        )
    text = _Text(io.BytesIO(content), label)
    text.skip_assignment()
    return text.value(MAX_SMALL)[1]


def elements(stream: BinaryIO, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of the list that a file assigns, each with its text, in bounded memory.

    Raises UnreadableSource, which names `label` and the place in characters.
    """
    text = _Text(stream, label)
    text.skip_assignment()
    text.expect("[")
    if text.peek() != "]":
        yield text.object()
    while text.peek() != "]":
        text.expect(",")
        yield text.object()
    text.finish()


class _Text:
    """A window on a file's text: `buffer[at:]` comes next; `position` counts from its start."""

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.buffer = ""
        self.at = 0
        self._stream = stream
        self._label = label
        self._dropped = 0
        self._ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()

    @property
    def position(self) -> int:
        return self._dropped + self.at

    def skip_assignment(self) -> None:
        """Go past `window.YTD.tweets.part0 = ` and its like."""
        self._more()
        found = _ASSIGNMENT.match(self.buffer[:_LONGEST_ASSIGNMENT])
        if found is None:
            raise UnreadableSource(
                f"{self._label}: does not begin as a file of an X archive "
                f"({self.buffer[:30]!r}): download the archive again"
            )
        self.at = found.end()

    def peek(self) -> str:
        """The next character that is no blank, or nothing at the end."""
        if (character := self.buffer[self.at : self.at + 1]) > " ":
            return character  # mostly; the rest of this is ten times slower
        while True:
            self.at = _BLANK.match(self.buffer, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.buffer) or not self._more():
                return self.buffer[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        """Go past a character. Raises UnreadableSource."""
        if self.peek() != character:
            seen = self.peek() or "the end of the file"
            raise self.trouble(f"{seen!r} instead of {character!r}", self.position)
        self.at += 1

    def object(self) -> tuple[str, dict[str, Any]]:
        """The next JSON object, after its own text. Raises UnreadableSource."""
        if self.peek() != "{":
            raise self.trouble("an object is expected", self.position)
        return self.value(MAX_ELEMENT)

    def finish(self) -> None:
        """Go past the `]` to the end, where a zip's checksum is compared."""
        self.expect("]")
        if self.peek() == ";":
            self.at += 1
        if self.peek():
            raise self.trouble("something after the end", self.position)

    def value(self, longest: int) -> tuple[str, Any]:
        """The next JSON value, of at most `longest` characters, after its own text.

        Raises UnreadableSource.
        """
        while True:
            try:
                value, end = _decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                where = self._dropped + error.pos
                if len(self.buffer) - self.at > longest or not self._more():
                    raise self.trouble(error.msg, where) from error
            except (RecursionError, ValueError) as error:
                raise self.trouble("nested too deeply, or a huge number", self.position) from error
            else:
                if end - self.at > longest:
                    raise self.trouble(f"over {longest:,} characters in one post", self.position)
                begin, self.at = self.at, end
                return self.buffer[begin:end], value

    def _more(self) -> bool:
        """Drop what was read and add the next chunk; false at the end of the file."""
        self._dropped += self.at
        self.buffer, self.at = self.buffer[self.at :], 0
        if self._ended:
            return False
        content = self._stream.read(CHUNK)
        self._ended = not content
        try:
            self.buffer += self._decoder.decode(content, final=self._ended)
        except UnicodeDecodeError as error:
            raise UnreadableSource(
                f"{self._label}: is not UTF-8 after character {self._dropped + len(self.buffer)} "
                f"({error.reason}): download the archive again"
            ) from error
        return not self._ended

    def trouble(self, what: str, where: int) -> UnreadableSource:
        return UnreadableSource(
            f"{self._label}: invalid JSON at character {where} ({what}): download the archive again"
        )
