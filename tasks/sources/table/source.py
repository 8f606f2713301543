"""Posts in a table: CSV, JSONL, Parquet, or plain text with one post on each line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Post
from tasks.core.records.made_ids import MADE, MadeIds, former_id
from tasks.sources.dates import snowflake_date
from tasks.sources.findings import Findings
from tasks.sources.recognised import Reading
from tasks.sources.source import in_batches
from tasks.sources.table.authors import Authors
from tasks.sources.table.columns import ALIASES, KNOWN, Columns, find_columns
from tasks.sources.table.survey import Survey, Understanding
from tasks.sources.table.table_files import TableFile

_SHOWN_NAMES = 12
# JSONL may have other keys on every line: what they mean is remembered for this many sets of keys,
# if all names of a set together have at most this many characters.
_REMEMBERED_SETS = 256
_REMEMBERED_CHARACTERS = 4_000


class TableSource:
    """The posts of one account in one or several tables.

    handle: whose posts these are, which a table does not say.
    reading: with names of columns by their meaning (`id`, `text`, `created_at`, `lang`,
        `retweet_flag`, `retweet_of`, `reply_to`, `reply_to_user`, `quote_of`, `author`), if they
        are not the usual ones.
    notices: what is to be said of how the files were recognised.
    Raises BadInput for an unknown meaning.
    """

    name = "table"

    def __init__(
        self,
        tables: Sequence[TableFile],
        handle: Handle,
        reading: Reading,
        notices: Sequence[str] = (),
    ) -> None:
        self._tables = tables
        self._path = tables[0].files.path
        self._given = {ALIASES.get(name, name): each for name, each in reading.columns.items()}
        self._day_first = reading.day_first
        self.handle = handle
        self.findings = Findings(notices=list(notices))
        if unknown := sorted(set(self._given) - set(KNOWN)):
            known = ", ".join((*ALIASES, *KNOWN))
            raise BadInput(f"unknown meanings of columns {unknown}: use {known}")

    def profile(self) -> None:
        """None: a table does not describe the account."""
        return

    def batches(self, newer_than: str | None) -> Iterator[list[Post]]:
        """All posts, whatever `newer_than`: the lake knows which it has.

        A row without an exact id gets one made of its text, see `MadeIds`. Where rows name their
        authors, those of other accounts are left out.
        Raises UnreadableSource, for a column that is mostly not understood before the first post.
        """
        del newer_than
        posts = self._posts([(table, self._survey(table)) for table in self._tables])
        first = next(posts, None)
        if first is None:
            raise UnreadableSource(f"{self._path}: holds no posts: give a file with some")
        yield from in_batches(chain([first], posts))

    def _survey(self, table: TableFile) -> Understanding:
        survey = Survey(table.label, day_first=self._day_first)
        self.findings.notices += [table.notice] if table.notice else []
        authors, names = Authors(self.handle), tuple[str, ...]()
        for _, row, _ in table.rows(self._columns):
            names = names or tuple(row)
            columns = self._columns_of(tuple(row))
            if authors.is_mine(row, columns.names.get("author")):
                survey.look(row, columns)
        self.findings.notices += [*authors.judged(table.label), *table.skipped_notices]
        for meaning, name in self._given.items():
            if name and names and meaning not in survey.names:
                raise UnreadableSource(
                    f"{table.label}: has no column {_shown(name)!r} among: {_listed(names)}"
                )
        return survey.result(self.findings)

    def _posts(self, tables: Sequence[tuple[TableFile, Understanding]]) -> Iterator[Post]:
        for table, understanding in tables:
            for post in self._posts_of(table, understanding):
                yield self._dated(post)

    def _posts_of(self, table: TableFile, understanding: Understanding) -> Iterator[Post]:
        made, authors, content = MadeIds(), Authors(self.handle), table.digest()
        for number, row, raw in table.rows(self._columns):
            columns = self._columns_of(tuple(row))
            if not authors.is_mine(row, columns.names.get("author")):
                continue
            mended = understanding.mended(row, columns)
            try:
                post = columns.post(mended, self.handle, made, raw)
            except UnreadableSource as error:
                raise UnreadableSource(f"{table.label}: row {number}: {error}") from error
            is_made = post.id.startswith(MADE)
            yield replace(post, former_id=former_id(content, number)) if is_made else post

    def _dated(self, post: Post) -> Post:
        """A post of X without a date with that of its id, if it has one."""
        if post.created_at is not None or type(self.handle) is not Handle:
            return post
        created_at = snowflake_date(post.id)
        self.findings.dates_from_ids += created_at is not None
        return replace(post, created_at=created_at)

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
            raise UnreadableSource(
                f"{self._path}: no column of texts among: {_listed(names)}; say which one has the "
                "posts with --column text=NAME, and add a first line with the names if there is "
                "none; if each line of the file is a post, give --format text"
            )
        return found


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(_shown, names[:_SHOWN_NAMES])) or "no columns"


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:40])
