"""What a file is, by its first bytes: one of the formats that are read, or something else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tasks.sources.files.containers import SourceFiles
from tasks.sources.files.decompression import without_suffix
from tasks.sources.files.encodings import UTF8, marked_encoding
from tasks.sources.files.javascript import ASSIGNMENT

HEAD = 64 << 10  # bytes
STAMPED = "text whose lines begin with times, as of a chat or a log"
_LINES = 200  # that show what a text is


class Format(StrEnum):
    """How the posts in a file are written down."""

    PARQUET = "Parquet"
    SCRIPT = "a file of an X archive"
    JSON_LIST = "a JSON list"
    JSON_OBJECT = "a JSON object"
    JSON_LINES = "JSON lines"
    CSV = "CSV"
    TEXT = "text"


@dataclass(frozen=True)
class Content:
    """The content of a file.

    format: None if it is none that is read. name: of the format, in words. head: the start of a
    text. variable: of a script, what it assigns to, such as `window.YTD.tweets.part0`.
    """

    format: Format | None
    name: str
    head: str = ""
    variable: str = ""

    @property
    def is_of_archive(self) -> bool:
        """Whether it assigns to a variable of X's, as the files of an archive do."""
        return self.variable.startswith(("window.YTD.", "Grailbird."))

    @property
    def holds_tweets(self) -> bool:
        """Whether its elements are those of an X archive, `{"tweet": {…}}`."""
        if self.is_of_archive:
            return _TWEETS.fullmatch(self.variable) is not None
        is_listed = self.format in (Format.SCRIPT, Format.JSON_LIST)
        return is_listed and _WRAPPED.match(self.body) is not None

    @property
    def body(self) -> str:
        """The start of a text without what it assigns to."""
        return self.head[len(_assignment(self.head)) :]


_TWEETS = re.compile(r"window\.YTD\.tweets?\.part\d+|Grailbird\.data\.tweets_\d{4}_\d{2}", re.ASCII)
_WRAPPED = re.compile(r'\s*\[\s*\{\s*"tweet"\s*:\s*\{')
_LIST = re.compile(r"\s*\[\s*(?:[\[{\]]|\Z)")
# `["a", …` or `[1, …`, but not `["a" is a letter]`, which may begin a text.
_VALUES = re.compile(r'\s*\[\s*(?:"(?:[^"\\\n]|\\.){0,20000}"|-?\d[\d.eE+-]{0,40})\s*[,\]]')
_OBJECT = re.compile(r'\s*\{\s*(?:["}]|\Z)')
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|rss|feed)\b", re.IGNORECASE)
# `[26/12/20, 10:53:00] Alice: …`, `2026-01-01T12:00:00 INFO …`
_STAMP = re.compile(
    r"[\s\u200e]{0,4}\[?\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:,\s?|\s|T)\d{1,2}[:.]\d\d", re.ASCII
)
_CODE = re.compile(r"\s*(?:window|var|let|const|function|import|export|module)\b[\s.(]")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "an Excel or Word file (.xls, .doc)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"PK\x03\x04", "a zip"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture or a sound"),
    (b"\0\0\0\x18ftyp", "a video"),
    (b"\0\0\0\x20ftyp", "a video"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    *((b"\x80" + bytes([protocol]), "a Python pickle") for protocol in range(2, 6)),
)
_OFFICE = (
    ("xl/workbook.xml", "an Excel file (.xlsx)"),
    ("xl/workbook.bin", "an Excel file (.xlsb)"),
    ("word/document.xml", "a Word file (.docx)"),
    ("Index/Document.iwa", "a Numbers or Pages file"),
    ("META-INF/manifest.xml", "an OpenDocument file (.ods, .odt)"),
)


def office_file(names: Iterable[str]) -> str | None:
    """What program's file a zip with these names is, None if it is not known as one."""
    seen = set(names)
    return next((what for name, what in _OFFICE if name in seen), None)


def content_of(files: SourceFiles, name: str) -> Content:
    """What a file is; the formats CSV and TEXT are left to who knows the columns.

    Of what is text, but nothing else by its content, the format is TEXT. Raises UnreadableSource.
    """
    with files.open(name) as stream:
        start = stream.read(HEAD)
    if start.startswith(b"PAR1"):
        return Content(Format.PARQUET, "Parquet")
    for magic, what in _MAGIC:
        if start.startswith(magic):
            return Content(None, what)
    head = _text(start)
    if head is None:
        is_wide = start[1:1_000:2].count(0) > 400 or start[:1_000:2].count(0) > 400
        return Content(None, "UTF-16 without its mark, or binary" if is_wide else "a binary file")
    return _of_text(head) if head.strip() else Content(None, "an empty file")


def suffix_of(name: str) -> str:
    """The lower-case suffix of a file's name, without that of its compression."""
    return re.sub(r"^.*?(\.[^.]*)?$", r"\1", without_suffix(name).rsplit("/", 1)[-1].lower())


def _text(start: bytes) -> str | None:
    """The start of a text, None if it is none."""
    encoding = marked_encoding(start) or UTF8
    text = start.decode(encoding, errors="replace").removeprefix("\ufeff")
    return None if "\0" in text[:1_000] else text


def _of_text(head: str) -> Content:
    if script := _script(head):
        return script
    if _LIST.match(head):
        return Content(Format.JSON_LIST, "a JSON list", head)
    if _OBJECT.match(head):
        form = _form_of_objects(head)
        return Content(form, form.value, head)
    if _is_stamped(head):
        return Content(Format.TEXT, STAMPED, head)
    for pattern, what in ((_VALUES, "a JSON list of strings or numbers"), (_MARKUP, "HTML or XML")):
        if pattern.match(head):
            return Content(None, what, head)
    return Content(Format.TEXT, "a script" if _CODE.match(head) else "text", head)


def _is_stamped(head: str) -> bool:
    """Whether most lines begin with a date and a time."""
    lines = [line for line in head.split("\n")[:_LINES] if line.strip()]
    return 2 * sum(_STAMP.match(line) is not None for line in lines) > len(lines)


def _script(head: str) -> Content | None:
    assignment = _assignment(head)
    if not assignment or head[len(assignment) :][:1] not in ("[", "{"):
        return None
    variable = assignment.strip().rstrip("= \t\r\n")
    return Content(Format.SCRIPT, f"a script that assigns {variable[:60]}", head, variable)


def _assignment(head: str) -> str:
    found = ASSIGNMENT.match(head[:1_000])
    return found[0] if found else ""


def _form_of_objects(head: str) -> Format:
    """Objects on a line each, or with line breaks inside; a long line is taken for one of many."""
    first, _, rest = head.lstrip().partition("\n")
    is_cut = not rest and len(head) >= HEAD // 4
    return Format.JSON_LINES if is_cut or _is_object(first) else Format.JSON_OBJECT


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
