"""An account's dataset at one moment: which files there are, and in which of them each piece is.

Workers share a lake without locks, which an object store does not have. What keeps a reader right:

- A file never changes, and a merged file lies there whole before a file that it was made of goes.
- A piece is read once, from one of the files that hold it.
- A piece from which posts were taken is marked as gone, and from then on nobody reads it, in
  whichever file it lies; what is left of it is a new piece, which was there before the mark.
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
    PartVanished,
    file_name,
    generation_of,
    is_part,
    opened,
    piece_name,
)
from tasks.lake.schema import pieces_of, scrape_of
from tasks.lake.segments import Piece
from tasks.storage import Storage

_GONE = "gone-"
_LOOKS = 20  # each that fails means that another worker has got on
T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """What lies in an account's folder.

    sizes: bytes by the key of each file. merged: the pieces in each file that several scrapes were
    merged into, in the order of its rows. marks: since when pieces are gone, by their names, where
    the storage tells the time.
    """

    sizes: Mapping[str, int]
    merged: Mapping[str, tuple[Piece, ...]]
    marks: Mapping[str, datetime | None]

    def names_in(self, key: str) -> frozenset[str]:
        """The pieces in a file that are not gone."""
        pieces = self.merged.get(key)
        names = [piece_name(key)] if pieces is None else [piece.name for piece in pieces]
        return frozenset(names).difference(self.marks)

    def files(self, keys: Iterable[str]) -> dict[str, str]:
        """The file, of these, from which to read each piece that is not gone, by its name."""
        return {name: key for key in sorted(keys, key=rank) for name in self.names_in(key)}

    def bytes_of_pieces(self) -> list[tuple[str, int]]:
        """What each piece is called and measures as a file, sorted; no file is opened."""
        sizes = {piece.name: piece.bytes for pieces in self.merged.values() for piece in pieces}
        files = self.files(self.sizes)
        return sorted((file_name(n), sizes.get(n, self.sizes[key])) for n, key in files.items())


@dataclass(frozen=True)
class Place:
    """Where a piece lies: from row `start` of the file `key`."""

    piece: Piece
    key: str
    start: int


def rank(key: str) -> tuple[int, str]:
    """An order of files in which a merged one is above all that it was made of."""
    return generation_of(key), key


def steady(storage: Storage, handle: Handle, use: Callable[[Dataset], T]) -> T:
    """What `use` makes of the dataset, from the start again where a file vanishes below it.

    Raises TransientError where that happens time and again, StorageUnusable.
    """
    for _ in range(_LOOKS):
        try:
            return use(_look(storage, handle))
        except PartVanished:
            continue
    raise TransientError(f"@{handle}: its stored posts change faster than they are read: try later")


def _look(storage: Storage, handle: Handle) -> Dataset:
    sizes, marks = _listed(storage, handle)
    merged = {key: _merged_pieces(storage, key) for key in sizes if generation_of(key)}
    return Dataset(sizes, merged, marks)


Listed = tuple[dict[str, int], dict[str, datetime | None]]


def _listed(storage: Storage, handle: Handle) -> Listed:
    """Files and marks; listed until the same is seen twice.

    A folder may change while it is listed: the old files are gone already when their turn comes,
    and the merged one has a place that was passed before. The next listing shows it.
    """
    before, now = None, _listed_once(storage, handle)
    while before is None or before != now:
        before, now = now, _listed_once(storage, handle)
    return now


def _listed_once(storage: Storage, handle: Handle) -> Listed:
    folder = f"{FOLDER}/{handle}"
    infos = storage.infos(folder)
    sizes = {f"{folder}/{info.base_name}": info.size for info in infos if is_part(info.base_name)}
    marks = {
        info.base_name.removeprefix(_GONE): info.mtime
        for info in infos
        if info.base_name.startswith(_GONE)
    }
    return sizes, marks


def _merged_pieces(storage: Storage, key: str) -> tuple[Piece, ...]:
    with opened(storage, key) as file:
        pieces = pieces_of(file.schema_arrow, storage.full(key))
        if sum(piece.rows for piece in pieces) != file.metadata.num_rows:
            raise OSError("its rows are not those of its pieces")
    return pieces


def mark_key(handle: Handle, piece: str) -> str:
    """Where it is marked that a piece is gone."""
    return f"{FOLDER}/{handle}/{_GONE}{piece}"


def places(storage: Storage, dataset: Dataset) -> list[Place]:
    """Where the pieces lie that are not gone, the earliest scrape first.

    Raises PartVanished, StorageUnusable.
    """
    return places_in(storage, dataset, dataset.sizes)


def places_in(storage: Storage, dataset: Dataset, keys: Iterable[str]) -> list[Place]:
    """Where the pieces lie that these files hold and that are not gone; each is there once."""
    files = dataset.files(keys)
    found = [
        place
        for key in sorted(set(files.values()))
        for place in _places_in(storage, dataset, key)
        if files.get(place.piece.name) == key
    ]
    return sorted(found, key=lambda place: (place.piece.scraped_at, place.piece.name))


def _places_in(storage: Storage, dataset: Dataset, key: str) -> Iterator[Place]:
    start = 0
    for piece in dataset.merged.get(key) or (_plain_piece(storage, dataset, key),):
        yield Place(piece, key, start)
        start += piece.rows


def _plain_piece(storage: Storage, dataset: Dataset, key: str) -> Piece:
    with opened(storage, key) as file:
        scraped_at = scrape_of(file.schema_arrow, storage.full(key))
        return Piece(piece_name(key), scraped_at, file.metadata.num_rows, dataset.sizes[key])
