"""An account's dataset at one moment: its files, and in which of them each segment lies.

Workers share a lake without locks, which an object store does not have. Readers are right because:

- A file never changes, and a merged file is complete before the files it was made of are deleted.
- A segment is read once, from one of the files that hold it.
- A segment with a tombstone is read by nobody, in whichever file it lies. Before posts are deleted
  from a segment, those that stay are written as a new segment; then the old one gets its tombstone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tasks.core.errors import TransientError
from tasks.core.names import Handle
from tasks.lake.data_files import (
    FOLDER,
    FileVanished,
    file_name,
    generation_of,
    is_data_file,
    open_data_file,
    segment_name,
)
from tasks.lake.schema import scraped_at_of, segments_of
from tasks.lake.segments import Segment
from tasks.storage import Storage

_TOMBSTONE = "gone-"
EDITS = "edits-"  # files that `edits` writes
_ATTEMPTS = 20  # each that fails means that another worker has made progress
T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """What lies in an account's folder.

    sizes: bytes by the key of each file. merged: the segments in each merged file, in the order of
    its rows. tombstones: when each was written, by the segment's name, or None where the storage
    keeps no times. edits: names of the files that `edits` wrote.
    """

    sizes: Mapping[str, int]
    merged: Mapping[str, tuple[Segment, ...]]
    tombstones: Mapping[str, datetime | None]
    handle: Handle
    edits: frozenset[str]

    def live_segments(self, key: str) -> frozenset[str]:
        """The names of the segments in a file that have no tombstone."""
        segments = self.merged.get(key)
        names = [segment_name(key)] if segments is None else [each.name for each in segments]
        return frozenset(names).difference(self.tombstones)

    def file_by_segment(self, keys: Iterable[str]) -> dict[str, str]:
        """For each live segment, by name, the file of these from which to read it."""
        by_urgency = sorted(keys, key=merge_order)
        return {name: key for key in by_urgency for name in self.live_segments(key)}

    def segment_sizes(self) -> list[tuple[str, int]]:
        """The first file's name and size of each live segment, sorted; no file is opened."""
        sizes = {each.name: each.bytes for segments in self.merged.values() for each in segments}
        files = self.file_by_segment(self.sizes)
        return sorted((file_name(n), sizes.get(n, self.sizes[key])) for n, key in files.items())


@dataclass(frozen=True)
class Location:
    """Where a segment lies: in the file `key`, from row `start`."""

    segment: Segment
    key: str
    start: int


def merge_order(key: str) -> tuple[int, str]:
    """Sorts a merged file after all files that it was made of."""
    return generation_of(key), key


def with_snapshot(storage: Storage, handle: Handle, use: Callable[[Snapshot], T]) -> T:
    """What `use` returns for a snapshot; called again with a new one if a file vanishes meanwhile.

    Raises TransientError where that happens time and again, StorageUnusable.
    """
    for _ in range(_ATTEMPTS):
        try:
            return use(_take_snapshot(storage, handle))
        except FileVanished:
            continue
    raise TransientError(f"@{handle}: its stored posts change faster than they are read: try later")


def _take_snapshot(storage: Storage, handle: Handle) -> Snapshot:
    sizes, tombstones, edits = _list_folder(storage, handle)
    merged = {key: _merged_segments(storage, key) for key in sizes if generation_of(key)}
    return Snapshot(sizes, merged, tombstones, handle, edits)


Listing = tuple[dict[str, int], dict[str, datetime | None], frozenset[str]]


def _list_folder(storage: Storage, handle: Handle) -> Listing:
    """Files, tombstones and edits; listed until two listings in a row are equal.

    A folder may change while it is listed: the listing misses files that were deleted meanwhile,
    and the merged file that replaced them, if its place in the order was already passed.
    """
    before, now = None, _list_once(storage, handle)
    while before is None or before != now:
        before, now = now, _list_once(storage, handle)
    return now


def _list_once(storage: Storage, handle: Handle) -> Listing:
    folder = f"{FOLDER}/{handle}"
    infos = storage.infos(folder)
    sizes = {
        f"{folder}/{info.base_name}": info.size for info in infos if is_data_file(info.base_name)
    }
    tombstones = {
        info.base_name.removeprefix(_TOMBSTONE): info.mtime
        for info in infos
        if info.base_name.startswith(_TOMBSTONE)
    }
    edits = frozenset(str(i.base_name) for i in infos if i.base_name.startswith(EDITS))
    return sizes, tombstones, edits


def _merged_segments(storage: Storage, key: str) -> tuple[Segment, ...]:
    with open_data_file(storage, key) as file:
        segments = segments_of(file.schema_arrow, storage.full(key))
        if sum(each.rows for each in segments) != file.metadata.num_rows:
            raise OSError("the number of rows is not that of its segments")
    return segments


def tombstone_key(handle: Handle, segment: str) -> str:
    """The key of the tombstone of a segment."""
    return f"{FOLDER}/{handle}/{_TOMBSTONE}{segment}"


def locations(storage: Storage, snapshot: Snapshot) -> list[Location]:
    """Where the live segments lie, the earliest scrape first.

    Raises FileVanished, StorageUnusable.
    """
    return locations_in(storage, snapshot, snapshot.sizes)


def locations_in(storage: Storage, snapshot: Snapshot, keys: Iterable[str]) -> list[Location]:
    """Where the live segments lie, of those that these files hold; each is listed once."""
    files = snapshot.file_by_segment(keys)
    found = [
        location
        for key in sorted(set(files.values()))
        for location in _locations_in_file(storage, snapshot, key)
        if files.get(location.segment.name) == key
    ]
    return sorted(found, key=lambda each: (each.segment.scraped_at, each.segment.name))


def _locations_in_file(storage: Storage, snapshot: Snapshot, key: str) -> Iterator[Location]:
    start = 0
    for segment in snapshot.merged.get(key) or (_single_segment(storage, snapshot, key),):
        yield Location(segment, key, start)
        start += segment.rows


def _single_segment(storage: Storage, snapshot: Snapshot, key: str) -> Segment:
    with open_data_file(storage, key) as file:
        scraped_at = scraped_at_of(file.schema_arrow, storage.full(key))
        return Segment(segment_name(key), scraped_at, file.metadata.num_rows, snapshot.sizes[key])
