"""Taking posts out of the lake: the one thing that changes its files."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tasks.lake.parts import Part, parts_of, scan_part, write_part
from tasks.lake.schema import SCHEMA
from tasks.names import Handle
from tasks.records import Kind, Post
from tasks.storage import Storage


def drop_posts(
    storage: Storage, handle: Handle, ids: Collection[str], *, source: str | None = None
) -> int:
    """Remove the rows with these ids, of one source or of all; returns how many rows went.

    A file that holds such rows is written anew without them before it is deleted: a crash in
    between leaves all rows, and the same call removes them. Raises StorageUnusable.
    """
    if not ids:
        return 0
    doomed = _Doomed(frozenset(ids), source)
    return sum(_drop_from(storage, handle, part, doomed) for part in parts_of(storage, handle))


class _Doomed:
    """Tells the rows to remove."""

    def __init__(self, ids: frozenset[str], source: str | None) -> None:
        self._ids = ids
        self._source = source

    def __call__(self, post_id: str, source: str) -> bool:
        return post_id in self._ids and self._source in (None, source)


def _drop_from(storage: Storage, handle: Handle, part: Part, doomed: _Doomed) -> int:
    rows = [
        doomed(post_id, source)
        for ids, sources in scan_part(storage, part, ["id", "source"])
        for post_id, source in zip(ids, sources, strict=True)
    ]
    if any(rows):
        if not all(rows):
            write_part(storage, handle, _others(storage, handle, part, doomed), part.scraped_at)
        storage.delete(part.key)
    return sum(rows)


def _others(storage: Storage, handle: Handle, part: Part, doomed: _Doomed) -> Iterator[list[Post]]:
    for columns in scan_part(storage, part, SCHEMA.names):
        rows = (dict(zip(SCHEMA.names, row, strict=True)) for row in zip(*columns, strict=True))
        yield [_post(row, handle) for row in rows if not doomed(row["id"], row["source"])]


def _post(row: dict[str, object], handle: Handle) -> Post:
    known = {name: row[name] for name in ("id", "created_at", "text", "lang", "source", "raw")}
    return Post(handle=handle, kind=Kind(str(row["kind"])), **known)  # type: ignore[arg-type]
