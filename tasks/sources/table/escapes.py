"""Layers of escape that programs left around texts, each undone where the whole table has it.

A layer is undone if nearly all texts show it in which it would show. A post may be about an escape,
so that where only some texts show one, they stay and the operator is warned.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tasks.sources.mastodon.markup import text_of_markup

NEARLY_ALL = 0.95
_SHOWN_LETTERS = 40


@dataclass(frozen=True)
class Layer:
    """A kind of escape.

    what: in words. undo: the text without it, the same text if it shows none. refutes: whether a
    text that shows none would show one, had the table this layer. at_least: texts that have to
    show it, as a share of all, and in number, for a table to have it.
    """

    what: str
    undo: Callable[[str], str]
    refutes: Callable[[str], bool]
    at_least: tuple[float, int] = (0.0, 1)


_LITERAL = re.compile(
    r"""b(?P<quote>['"])(?P<inner>(?:(?!(?P=quote))[^\\\n]|\\(?:x[0-9a-f]{2}|[\\'"nrt]))*)(?P=quote)""",
    re.ASCII,
)
_IN_LITERAL = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_FOREIGN = re.compile("[\x80-\uffff]+")
# What Windows-1252 shows for the bytes that are control characters in Latin-1.
_WINDOWS = {
    ord(letter): byte
    for byte in range(0x80, 0xA0)
    if (letter := bytes([byte]).decode("cp1252", "ignore"))
}
_UNICODE = re.compile(r"<U\+([0-9A-Fa-f]{4,8})>")
_BYTES = re.compile(r"(?:<[0-9a-f]{2}>)+")
_SURROGATES = re.compile(r"[\ud800-\udbff][\udc00-\udfff]")
_CODES = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_BREAK = re.compile(r"(?<!\\)(?:\\r\\n|\\n|\\r(?![a-z]))")
_TWICE = re.compile(r"&amp;(?=(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)")
_PARAGRAPHS = re.compile(r"\s*<p(?: [^<>]{0,200})?>")
_ONCE = re.compile(r"&(?:lt|gt|quot|apos|amp(?!;[a-z#0-9]{2,9};));")


def _unquoted(text: str) -> str:
    """`b'…'`, as Python shows bytes, decoded."""
    if not text.isascii() or (found := _LITERAL.fullmatch(text.strip())) is None:
        return text
    try:
        return _IN_LITERAL.sub(_byte_in_literal, found["inner"].encode()).decode()
    except UnicodeDecodeError:
        return text


def _byte_in_literal(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else _NAMED.get(found[2], found[2])


def _decoded_again(text: str) -> str:
    """UTF-8 that was read as Windows-1252, `cafÃ©`, decoded; twice if it was done twice."""
    for _ in range(2):
        if text.isascii():
            return text
        decoded = _FOREIGN.sub(_decoded_run, text)
        if decoded == text:
            return text
        text = decoded
    return text


def _decoded_run(found: re.Match[str]) -> str:
    try:
        return found[0].translate(_WINDOWS).encode("latin-1").decode()
    except ValueError:
        return found[0]


def _without_codes_of_r(text: str) -> str:
    """`<U+0001F602>` and `<f0><9f><98><82>`, as R writes them on Windows, as characters."""
    if "<U+" in text:
        text = _joined(_UNICODE.sub(lambda found: _character(found[1]), text))
    return _BYTES.sub(_bytes_of_r, text) if "<" in text else text


def _bytes_of_r(found: re.Match[str]) -> str:
    content = bytes.fromhex(found[0].replace("<", "").replace(">", ""))
    try:
        decoded = _joined(content.decode("utf-8", "surrogatepass"))
        decoded.encode()
    except ValueError:
        return found[0]
    return found[0] if decoded.isascii() else decoded


def _without_codes(text: str) -> str:
    r"""`\u2019`, as JSON and Python write it, as characters."""
    if "\\u" not in text and "\\U" not in text:
        return text
    decoded = _joined(_CODES.sub(lambda found: _character(found[1] or found[2]), text))
    return text if _has_surrogates(decoded) else decoded


def _character(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else f"<U+{digits}>"


def _joined(text: str) -> str:
    """With pairs of surrogates as the character that they stand for."""
    return _SURROGATES.sub(lambda f: f[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _with_breaks(text: str) -> str:
    r"""With line breaks for `\n`."""
    return _BREAK.sub("\n", text) if "\\" in text else text


def _unescaped_once(text: str) -> str:
    """`&amp;lt;` as `&lt;`."""
    return _TWICE.sub("&", text) if "&amp;" in text else text


def _without_markup(text: str) -> str:
    """`<p>…</p>`, as Mastodon and Bluesky's bridges write posts, as text."""
    return text_of_markup(text) if _PARAGRAPHS.match(text) else text


def _around(text: str, undone: str) -> str:
    """The part of a text that begins a little before it differs from what it becomes."""
    pairs = enumerate(zip(text, undone, strict=False))
    start = next((at for at, (one, other) in pairs if one != other), 0)
    return text[max(start - _SHOWN_LETTERS // 2, 0) :][:_SHOWN_LETTERS]


def _is_beyond_windows(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return True
    return False


# In the order in which they are undone: the outermost first.
LAYERS = (
    Layer("Python's notation of bytes (b'…')", _unquoted, lambda text: bool(text.strip())),
    Layer("UTF-8 read as Windows-1252 (â€™)", _decoded_again, lambda text: not text.isascii()),
    Layer("R's notation of characters (<U+2019>)", _without_codes_of_r, _is_beyond_windows),
    Layer(r"codes of characters (\u2019)", _without_codes, lambda text: not text.isascii()),
    Layer("HTML (<p>…</p>)", _without_markup, lambda text: bool(text.strip()), (0.5, 1)),
    Layer("HTML escaped twice (&amp;lt;)", _unescaped_once, lambda text: bool(_ONCE.search(text))),
    Layer(r"line breaks written as \n", _with_breaks, lambda text: "\n" in text, (0.01, 3)),
)


class EscapeSurvey:
    """Counts, text by text, which layers a table shows."""

    def __init__(self) -> None:
        self._texts = 0
        self._shown = [0] * len(LAYERS)
        self._refuted = [0] * len(LAYERS)
        self._examples = [""] * len(LAYERS)

    def look(self, text: str) -> None:
        """Count a text. Each layer is looked for under those outside of it."""
        self._texts += 1
        for number, layer in enumerate(LAYERS):
            undone = layer.undo(text)
            if undone != text:
                self._shown[number] += 1
                self._examples[number] = self._examples[number] or _around(text, undone)
                text = undone
            elif layer.refutes(text):
                self._refuted[number] += 1

    def result(self, label: str) -> tuple[tuple[Layer, ...], list[str]]:
        """The layers to undo, and what is to be said of them and of those that stay."""
        undone, notices = [], []
        for number, layer in enumerate(LAYERS):
            shown, refuted = self._shown[number], self._refuted[number]
            if not shown:
                continue
            share, at_least = layer.at_least
            is_common = shown >= max(at_least, share * self._texts)
            if is_common and shown >= NEARLY_ALL * (shown + refuted):
                undone.append(layer)
                notices.append(f"{label}: undone in {shown:,} posts: {layer.what}")
            elif shown >= at_least:
                example = " ".join(self._examples[number].split())
                notices.append(
                    f"{label}: {shown:,} of {self._texts:,} posts show {layer.what}, such as "
                    f"{example!r}; too few to be undone, so they stay as they are: mend the file "
                    "if they should not"
                )
        return tuple(undone), notices
