"""Posts in a table: CSV, JSONL, Parquet, or plain text with one post on each line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Post
from tasks.sources.read_errors import as_unreadable
from tasks.sources.source import in_batches
from tasks.sources.table.columns import KNOWN, Columns, find_columns
from tasks.sources.table.parquet_rows import parquet_rows
from tasks.sources.table.text_rows import Row, csv_rows, header, jsonl_rows, lines, text_rows
from tasks.storage import sha256_of

_TEXT_BY_SUFFIX: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".txt": text_rows,
}
_SHOWN_NAMES = 12
# JSONL may have other keys on every line: what they mean is remembered for this many sets of keys,
# if all names of a set together have at most this many characters.
_REMEMBERED_SETS = 256
_REMEMBERED_CHARACTERS = 4_000


class TableSource:
    """The posts of one account in a file.

    handle: whose posts these are, which a table does not say.
    columns: names of columns by their meaning (`id`, `text`, `created_at`, `lang`,
        `retweet_flag`, `retweet_of`, `reply_to`, `reply_to_user`, `quote_of`), if they are not
        the usual ones.
    Raises BadInput for an unknown meaning.
    """

    name = "table"

    def __init__(
        self, path: Path, handle: Handle, columns: Mapping[str, str] | None = None
    ) -> None:
        self._path = path
        self._given = dict(columns or {})
        self.handle = handle
        if unknown := sorted(set(self._given) - set(KNOWN)):
            raise BadInput(f"unknown meanings of columns {unknown}: use {', '.join(KNOWN)}")

    def profile(self) -> None:
        """None: a table does not describe the account."""
        return

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """All posts, whatever `newer_than`: the lake knows which it has.

        A row without an exact id gets one made of the file's digest and its number, so that equal
        texts stay apart and the same file always yields the same ids. Raises UnreadableSource.
        """
        del newer_than
        posts = self._posts()
        first = next(posts, None)
        if first is None:
            raise UnreadableSource(f"{self._path}: holds no posts: give a file with some")
        yield from in_batches(chain([first], posts))

    def _posts(self) -> Iterator[Post]:
        for number, row, raw in self._rows():
            columns = self._columns_of(tuple(row))
            try:
                yield columns.post(row, self.handle, f"{self._prefix}-{number}", raw)
            except UnreadableSource as error:
                raise UnreadableSource(f"{self._path}: row {number}: {error}") from error

    def _rows(self) -> Iterator[Row]:
        if _is_parquet(self._path):
            return parquet_rows(self._path, self._columns)
        return text_reader(self._path)(self._path)

    def _columns_of(self, names: tuple[str, ...]) -> Columns:
        if sum(map(len, names)) > _REMEMBERED_CHARACTERS:
            return self._columns(names)
        return self._remembered(names)

    @cached_property
    def _remembered(self) -> Callable[[tuple[str, ...]], Columns]:
        return lru_cache(_REMEMBERED_SETS)(self._columns)

    def _columns(self, names: tuple[str, ...]) -> Columns:
        found = find_columns(names, self._given)
        if found is None:
            seen = ", ".join(map(_shown, names[:_SHOWN_NAMES])) or "no columns"
            raise UnreadableSource(
                f"{self._path}: no column of texts among: {seen}; name the one with the posts "
                "`text`, or give a .txt file with one post on each line"
            )
        return found

    @cached_property
    def _prefix(self) -> str:
        with as_unreadable(str(self._path)):
            return sha256_of(self._path)[:16]


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:40])


def _is_parquet(path: Path) -> bool:
    if (suffix := path.suffix.lower()) == ".parquet" or suffix in _TEXT_BY_SUFFIX:
        return suffix == ".parquet"
    with as_unreadable(str(path)), path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def text_reader(path: Path) -> Callable[[Path], Iterator[Row]]:
    """The reader of a text file's rows, by its suffix or else by what is in it.

    Raises UnreadableSource.
    """
    return _TEXT_BY_SUFFIX.get(path.suffix.lower()) or _by_content(path)


def _by_content(path: Path) -> Callable[[Path], Iterator[Row]]:
    first = next((line for _, line in lines(path) if line.strip()), "")
    if first.lstrip().startswith("{"):
        return jsonl_rows
    return csv_rows if find_columns(header(path), {}) else text_rows
