"""The lake: all posts as scraped, one Parquet dataset for each handle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import InvalidHandle
from tasks.core.names import Handle
from tasks.core.records import Post, digest
from tasks.lake.compaction import tidy
from tasks.lake.data_files import FOLDER, keys_of, piece_name, write_part
from tasks.lake.reading import read_places, scan_places
from tasks.lake.schema import SCHEMA, WITHOUT_RAW
from tasks.lake.snapshot import Dataset, mark_key, places, steady
from tasks.lake.surrogates import storable
from tasks.storage import Storage

__all__ = [
    "Appended",
    "LakeState",
    "append",
    "dataset_digest",
    "handles",
    "read",
    "rows_stored",
    "state",
]


@dataclass(frozen=True)
class Appended:
    """What an append did.

    new: rows written: posts not stored before, or stored with another text or kind.
    seen: posts that were offered, repetitions included.
    """

    new: int
    seen: int


@dataclass(frozen=True)
class LakeState:
    """What is stored of an account.

    rows: posts, each id counted once.
    digest: changes if and only if the posts do; merging files is no change.
    sources: where the posts came from, sorted.
    """

    handle: Handle
    rows: int
    digest: str
    sources: tuple[str, ...]


def append(
    storage: Storage, handle: Handle, posts: Iterable[list[Post]], *, scraped_at: datetime
) -> Appended:
    """Store the posts that are not stored yet, all of them or, when anything fails, none.

    A post is stored already if its id is, and the latest row with that id has the same text and
    kind; so the same import done twice writes nothing. Of posts that share an id within one
    append, the first counts. Lone surrogates are replaced as `storable` says.
    `scraped_at` is aware. Raises StorageUnusable, OptedOut, and whatever `posts` raises.
    """
    sieve = _Sieve(steady(storage, handle, partial(_stored_versions, storage)))
    batches = sieve.new_posts(posts)
    first = next(batches, None)
    if first is not None:
        key = write_part(storage, handle, chain([first], batches), scraped_at)
        # The very same scrape may have been here, and have gone.
        storage.delete(mark_key(handle, piece_name(key)))
        tidy(storage, handle)
    return Appended(sieve.new, sieve.seen)


@dataclass
class _Sieve:
    """Lets only new posts pass; `versions` maps an id to a hash of what is stored under it.

    Python's hash of 64 bits keeps a million posts small in memory; it is keyed by a secret of
    the process, so that no account can choose texts that collide.
    """

    versions: dict[str, int | None]
    new: int = 0
    seen: int = 0

    def new_posts(self, batches: Iterable[list[Post]]) -> Iterator[list[Post]]:
        for batch in batches:
            self.seen += len(batch)
            passed = [post for post in map(storable, batch) if self._is_new(post)]
            self.new += len(passed)
            if passed:
                yield passed

    def _is_new(self, post: Post) -> bool:
        version = self.versions.get(post.id, 0)
        self.versions[post.id] = None  # met in this append
        return version is not None and version != _version(post.text, post.kind)


def _version(text: str, kind: str) -> int:
    return hash((text, str(kind))) or 1  # 0 stands for an id that is not stored


def _stored_versions(storage: Storage, dataset: Dataset) -> dict[str, int | None]:
    versions: dict[str, int | None] = {}
    columns = ["id", "text", "kind"]
    for ids, texts, kinds in scan_places(storage, places(storage, dataset), columns):
        versions.update(zip(ids, map(_version, texts, kinds), strict=True))
    return versions


def read(storage: Storage, handle: Handle, *, with_raw: bool = False) -> pa.Table:
    """An account's posts, each id once as it was scraped last, oldest first.

    Posts without a date come before all others, in the order of their appearance: by scrape,
    then by row. Equal dates are put in order by id, decimal ids by their value. The column `raw`
    is the largest by far and is left out unless asked for. No rows where nothing is stored.
    Raises StorageUnusable.
    """
    columns = SCHEMA.names if with_raw else WITHOUT_RAW
    return _oldest_first(_latest(steady(storage, handle, partial(_rows, storage, columns))))


def _rows(storage: Storage, columns: list[str], dataset: Dataset) -> pa.Table:
    return read_places(storage, places(storage, dataset), columns)


def _latest(table: pa.Table) -> pa.Table:
    """The last row of each id, rows kept in order."""
    numbered = pa.table({"id": table["id"], "row": np.arange(table.num_rows)})
    last = numbered.group_by("id").aggregate([("row", "max")])["row_max"]
    return table.take(np.sort(last.to_numpy()))


def _oldest_first(table: pa.Table) -> pa.Table:
    dated = pc.is_valid(table["created_at"])
    keys = {
        "dated": pc.if_else(dated, 1, 0),
        "created_at": table["created_at"],
        "appearance": pc.if_else(dated, 0, np.arange(table.num_rows)),
        "digits": pc.utf8_length(table["id"]),  # the longer of two decimal ids is the higher
        "id": table["id"],
    }
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return table.take(order)


def state(storage: Storage, handle: Handle) -> LakeState:
    """What is stored of an account; only two small columns are read. Raises StorageUnusable."""
    return steady(storage, handle, partial(_state, storage, handle))


def _state(storage: Storage, handle: Handle, dataset: Dataset) -> LakeState:
    table = _rows(storage, ["id", "source"], dataset)
    sources = sorted(map(str, pc.unique(table["source"]).to_pylist()))
    rows = pc.count_distinct(table["id"]).as_py()
    return LakeState(handle, rows, digest(*dataset.bytes_of_pieces()), tuple(sources))


def rows_stored(storage: Storage, handle: Handle) -> int:
    """The rows of an account's dataset, by the footers of its files.

    A post that was scraped again with another text counts twice. Raises StorageUnusable.
    """
    every = steady(storage, handle, partial(places, storage))
    return sum(place.piece.rows for place in every)


def dataset_digest(storage: Storage, handle: Handle) -> str:
    """Changes if and only if an account's posts do; no rows are read. Raises StorageUnusable."""
    return steady(storage, handle, lambda dataset: digest(*dataset.bytes_of_pieces()))


def handles(storage: Storage) -> list[Handle]:
    """The accounts that have posts in the lake, sorted."""
    found = []
    for folder in storage.folders(FOLDER):
        try:
            handle = Handle.parse(PurePosixPath(folder).name)
        except InvalidHandle:
            continue  # not a folder of ours
        if keys_of(storage, handle):
            found.append(handle)
    return sorted(found)
