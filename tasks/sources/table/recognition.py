"""Which of some files are tables of posts, and in what format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.sources.files.containers import SourceFiles
from tasks.sources.files.content import STAMPED, Content, Format, content_of, suffix_of
from tasks.sources.recognised import Reading, Recognised
from tasks.sources.table.columns import find_columns
from tasks.sources.table.source import TableSource
from tasks.sources.table.table_files import TableFile
from tasks.sources.table.text_rows import header_of

MAX_TABLES = 10_000
_CSV = (".csv", ".tsv", ".tab")
_TABLES = (*_CSV, ".json", ".jsonl", ".ndjson", ".parquet", ".txt")
_ABOUT = frozenset(("readme", "license", "licence", "copying", "notice", "changelog", "authors"))


@dataclass(frozen=True)
class _Look:
    """What a file turned out to be: a table, or what it is instead."""

    table: TableFile | None
    what: str


def recognise_table(files: SourceFiles, reading: Reading) -> Recognised | None:
    """The table that a file is, or the tables in a folder, a zip or a tar.

    Raises UnreadableSource for more tables than anybody has.
    """
    found = _alone(files, reading) if files.alone else _inside(files, reading)
    if found is None:
        return None
    tables, notices = found
    names = tuple(table.name for table in tables)
    files.size(names)  # refuses a zip that claims too much

    def opened(handle: Handle | None) -> TableSource:
        if handle is None:
            raise BadInput(
                f"{files.path}: a table does not say whose posts it holds: give --handle"
            )
        return TableSource(tables, handle, reading, notices)

    return Recognised(files, names, opened)


def _alone(
    files: SourceFiles, reading: Reading
) -> tuple[tuple[TableFile, ...], tuple[str, ...]] | None:
    (name,) = files.names()
    if reading.text:
        return (TableFile(files, name, Format.TEXT),), ()
    look = _look(files, name, reading.columns)
    return None if look.table is None else ((look.table,), ())


def _inside(
    files: SourceFiles, reading: Reading
) -> tuple[tuple[TableFile, ...], tuple[str, ...]] | None:
    candidates = [name for name in files.names() if _is_candidate(name)]
    if len(candidates) > MAX_TABLES:
        raise UnreadableSource(
            f"{files.path}: holds {len(candidates):,} tables, over {MAX_TABLES:,}: give fewer"
        )
    if reading.text:
        texts = [name for name in candidates if suffix_of(name) == ".txt"]
        return (tuple(TableFile(files, name, Format.TEXT) for name in texts), ()) if texts else None
    looks = {name: _look_inside(files, name, reading.columns) for name in candidates}
    tables = [look.table for look in looks.values() if look.table]
    chosen = [table for table in tables if table.format is not Format.TEXT] or tables
    if not chosen:
        return None
    left = [name for name in looks if name not in {table.name for table in chosen}]
    notices = tuple(f"{name}: not read, it is {looks[name].what}" for name in left)
    return tuple(chosen), notices


def _is_candidate(name: str) -> bool:
    parts = name.split("/")
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return not is_hidden and suffix_of(name) in _TABLES


def _look_inside(files: SourceFiles, name: str, given: Mapping[str, str]) -> _Look:
    """As `_look`; and a table without texts is none of posts."""
    look = _look(files, name, given)
    if look.table is None or look.table.format in (Format.TEXT, Format.PARQUET):
        return look
    names = look.table.first_names
    if names is not None and find_columns(names, given) is None:
        return _Look(None, f"{look.what} without a column of texts")
    return look


def _look(files: SourceFiles, name: str, given: Mapping[str, str]) -> _Look:
    content = content_of(files, name)
    form = _format(content, name, given)
    if form is None:
        return _Look(None, content.name)
    return _Look(TableFile(files, name, form, _first_names(content, form)), form.value)


def _format(content: Content, name: str, given: Mapping[str, str]) -> Format | None:
    suffix = suffix_of(name)
    if content.format is Format.SCRIPT:
        if content.is_of_archive and not content.holds_tweets:
            return None  # deleted posts, messages, likes
        return Format.JSON_LIST if content.body.startswith("[") else Format.JSON_OBJECT
    if content.format is not Format.TEXT:
        return content.format
    if suffix in _CSV or _is_csv(content.head, given):
        return Format.CSV
    is_about = name.rsplit("/", 1)[-1].split(".", maxsplit=1)[0].lower() in _ABOUT
    is_posts = suffix == ".txt" and not is_about and content.name != STAMPED
    return Format.TEXT if is_posts else None


def _is_csv(head: str, given: Mapping[str, str]) -> bool:
    """Whether the first line names columns: of texts, and of ids or of dates."""
    columns = find_columns(header_of(head), given)
    return columns is not None and bool({"id", "created_at"} & columns.names.keys())


def _first_names(content: Content, form: Format) -> tuple[str, ...] | None:
    """The names of a CSV's columns, or of the first object's keys; None if they are not known."""
    if form is Format.CSV:
        return tuple(header_of(content.head))
    try:
        value, _ = json.JSONDecoder().raw_decode(content.head, content.head.find("{"))
    except (ValueError, RecursionError, IndexError):
        return None
    return tuple(value) if isinstance(value, dict) else None
