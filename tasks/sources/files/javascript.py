"""JSON, and the `.js` files of X archives (an assignment, then JSON), read in chunks."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from tasks.core.errors import UnreadableSource

CHUNK = 1 << 20
MAX_ELEMENT = 512 << 10  # characters; a post of 25,000, each as an escape, takes 150,000
MAX_SMALL = 4 << 20  # bytes
# What X writes, and what people replace it with to load the file as a module.
ASSIGNMENT = re.compile(
    r"\s*(?:(?:(?:window|Grailbird|module|exports)\.[\w.]+|(?:var|let|const)\s+\w+)\s*=|export\s+default\b)\s*",
    re.ASCII,
)
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
    reader = _JsonReader(io.BytesIO(content), label)
    reader.skip_assignment()
    return reader.value(MAX_SMALL)[1]


def list_elements(stream: BinaryIO, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of the list that a file assigns, each after its source text, in bounded memory.

    Raises UnreadableSource, which names `label` and the position in characters.
    """
    reader = _JsonReader(stream, label)
    reader.skip_assignment()
    yield from reader.objects()
    reader.finish()


def listed_elements(stream: BinaryIO, label: str, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of the list under a key of the object that a file is, as `list_elements`.

    What precedes the list may have at most `MAX_SMALL` characters in each value; what follows it
    is not read. Nothing if there is no such key. Raises UnreadableSource.
    """
    reader = _JsonReader(stream, label)
    reader.skip_assignment()
    reader.expect("{")
    while reader.peek() == '"':
        name = reader.value(MAX_SMALL)[1]
        reader.expect(":")
        if name == key:
            yield from reader.objects()
            return
        reader.peek()  # skips blanks
        reader.value(MAX_SMALL)
        if reader.peek() == ",":
            reader.expect(",")


def values(stream: BinaryIO, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects that follow one another in a file, as `list_elements`, each of `MAX_SMALL`."""
    reader = _JsonReader(stream, label)
    reader.skip_assignment()
    while reader.peek():
        yield reader.object(MAX_SMALL)
        if reader.peek() == ",":
            reader.expect(",")


class _JsonReader:
    """Reads JSON from a stream: `buffer[at:]` comes next; `position` counts from the start."""

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
        """Skip `window.YTD.tweets.part0 = ` and the like, if there is one.

        Raises UnreadableSource for what begins neither so nor as JSON.
        """
        self._more()
        if self.peek() in ("[", "{"):
            return
        found = ASSIGNMENT.match(self.buffer[:_LONGEST_ASSIGNMENT])
        if found is None:
            raise UnreadableSource(
                f"{self._label}: does not begin as a file of an X archive "
                f"({self.buffer[:30]!r}): give the file as it is in the archive"
            )
        self.at = found.end()

    def peek(self) -> str:
        """The next character after white space, empty at the end."""
        if (character := self.buffer[self.at : self.at + 1]) > " ":
            return character  # the usual case; the loop below is ten times slower
        while True:
            self.at = _BLANK.match(self.buffer, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.buffer) or not self._more():
                return self.buffer[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        """Skip one given character. Raises UnreadableSource."""
        if self.peek() != character:
            seen = self.peek() or "the end of the file"
            raise self._invalid(f"{seen!r} instead of {character!r}", self.position)
        self.at += 1

    def objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects of the list that comes next, up to its `]`. Raises UnreadableSource."""
        self.expect("[")
        if self.peek() != "]":
            yield self.object()
        while self.peek() != "]":
            self.expect(",")
            yield self.object()

    def object(self, longest: int = MAX_ELEMENT) -> tuple[str, dict[str, Any]]:
        """The next JSON object, with its source text before it. Raises UnreadableSource."""
        if self.peek() != "{":
            raise self._invalid("an object is expected", self.position)
        return self.value(longest)

    def finish(self) -> None:
        """Read past the `]` to the end of the file, where zipfile compares the checksum."""
        self.expect("]")
        if self.peek() == ";":
            self.at += 1
        if self.peek():
            raise self._invalid("something after the end", self.position)

    def value(self, longest: int) -> tuple[str, Any]:
        """The next JSON value of at most `longest` characters, with its source text before it.

        Raises UnreadableSource.
        """
        while True:
            try:
                value, end = _decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                where = self._dropped + error.pos
                if len(self.buffer) - self.at > longest or not self._more():
                    raise self._invalid(error.msg, where) from error
            except (RecursionError, ValueError) as error:
                raise self._invalid("nested too deeply, or a huge number", self.position) from error
            else:
                if end - self.at > longest:
                    raise self._invalid(f"over {longest:,} characters in one post", self.position)
                begin, self.at = self.at, end
                return self.buffer[begin:end], value

    def _more(self) -> bool:
        """Drop what was read and append the next chunk; false at the end of the file."""
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
                f"({error.reason}): is the file as it was made?"
            ) from error
        return not self._ended

    def _invalid(self, what: str, where: int) -> UnreadableSource:
        return UnreadableSource(
            f"{self._label}: invalid JSON at character {where} ({what}): is the file complete, and "
            "as it was made?"
        )
