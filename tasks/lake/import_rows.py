"""The rows of single appends: which there are, and deleting those that no other import brought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.names import Handle
from tasks.lake.post_dropping import drop_matching
from tasks.lake.reading import read_table, scan_batches
from tasks.lake.schema import SCHEMA
from tasks.lake.snapshot import Snapshot, locations, with_snapshot
from tasks.lake.versions import VERSION_COLUMNS, Version, fingerprint, versions_in
from tasks.storage import Storage

_COLUMNS = [*VERSION_COLUMNS, "scraped_at"]
_INSTANT = SCHEMA.field("scraped_at").type


@dataclass(frozen=True)
class AppendRows:
    """What one append stored from one source; posts: each id once."""

    scraped_at: datetime
    source: str
    posts: int


def appends(storage: Storage, handle: Handle) -> list[AppendRows]:
    """The appends of which rows are stored, the earliest first. Raises StorageUnusable."""
    table = with_snapshot(storage, handle, partial(_columns, storage))
    grouped = table.group_by(["scraped_at", "source"]).aggregate([("id", "count_distinct")])
    found = grouped.select(["scraped_at", "source", "id_count_distinct"]).to_pydict()
    return sorted(
        (AppendRows(*values) for values in zip(*found.values(), strict=True)),
        key=lambda each: (each.scraped_at, each.source),
    )


def _columns(storage: Storage, snapshot: Snapshot) -> pa.Table:
    return read_table(storage, locations(storage, snapshot), ["id", "source", "scraped_at"])


def surviving(
    storage: Storage, handle: Handle, wanted: Sequence[AppendRows], kept: Collection[int]
) -> tuple[frozenset[str], dict[datetime, set[int]]]:
    """What `drop_rows` would do: the ids of rows that go, and by instant the prints of the others.

    An id that goes may stay in another version. Raises StorageUnusable.
    """
    return with_snapshot(storage, handle, partial(_surviving, storage, _RowsOf(wanted, kept)))


def _surviving(
    storage: Storage, wanted: _RowsOf, snapshot: Snapshot
) -> tuple[frozenset[str], dict[datetime, set[int]]]:
    gone: set[str] = set()
    others: dict[datetime, set[int]] = defaultdict(set)
    for batch in scan_batches(storage, locations(storage, snapshot), _COLUMNS):
        for version, scraped_at in wanted.rows(batch):
            if (found := fingerprint(version)) in wanted.kept:
                others[scraped_at].add(found)
            else:
                gone.add(version[0])
    return frozenset(gone), dict(others)


def drop_rows(
    storage: Storage, handle: Handle, wanted: Sequence[AppendRows], kept: Collection[int]
) -> int:
    """Delete the rows of some appends but for those with the fingerprints in `kept`.

    Returns how many were deleted. Raises as `drop_posts` does.
    """
    return drop_matching(storage, handle, _RowsOf(wanted, kept)) if wanted else 0


class _RowsOf:
    """Selects the rows of some appends, but for those that are kept."""

    columns = _COLUMNS

    def __init__(self, wanted: Sequence[AppendRows], kept: Collection[int]) -> None:
        self.kept = frozenset(kept)
        self._appends = frozenset((each.scraped_at, each.source) for each in wanted)
        instants = sorted({each.scraped_at for each in wanted})
        self._instants = pa.array(instants, _INSTANT)

    def mask(self, table: pa.Table | pa.RecordBatch) -> Any:
        """For each row of a table whether it is to be deleted, as Arrow's booleans."""
        mask = np.zeros(table.num_rows, dtype=np.bool_)
        for row, version, _ in self._rows(table):
            mask[row] = fingerprint(version) not in self.kept
        return pa.array(mask)

    def rows(self, batch: pa.RecordBatch) -> Iterator[tuple[Version, datetime]]:
        """The rows of these appends, each with its instant."""
        for _, version, scraped_at in self._rows(batch):
            yield version, scraped_at

    def _rows(self, table: pa.Table | pa.RecordBatch) -> Iterator[tuple[int, Version, datetime]]:
        numbers = np.flatnonzero(np.asarray(pc.is_in(table["scraped_at"], self._instants)))
        if not len(numbers):
            return
        found = table.select(_COLUMNS).take(numbers)
        instants: list[Any] = found.column("scraped_at").to_pylist()
        rows = zip(numbers.tolist(), versions_in(found), instants, strict=True)
        for number, version, scraped_at in rows:
            if (scraped_at, version[3]) in self._appends:
                yield number, version, scraped_at
