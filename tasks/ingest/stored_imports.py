"""Which imports an account's posts came from, and taking one back.

A file that is imported again, and may have grown, is one import; so is a service, however often it
was asked. The lake knows an append by its instant, which a row keeps wherever it is moved; a record
says which appends a file's import made, and a file beside it which of its posts were stored already
by another import. These stay when the other import is taken back. Imports by earlier versions of
this program have no record, and each append of theirs is an import.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from tasks.core.errors import BadInput
from tasks.core.names import Handle
from tasks.core.records import digest
from tasks.ingest.accounts import forget_watermark
from tasks.ingest.scrape_state import delete_position
from tasks.ingest.services import SERVICES
from tasks.lake.edits import delete_edits
from tasks.lake.import_rows import AppendRows, appends, drop_rows, surviving
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

_FOLDER = "imports"
_ID_LENGTH = 8


@dataclass(frozen=True)
class ImportRecord:
    """What is known of the import of a file.

    file: its name. instants: of its appends that hold rows. last: when it was imported last.
    """

    source: str
    file: str
    instants: tuple[datetime, ...]
    last: datetime


@dataclass(frozen=True)
class StoredImport:
    """An import as it is listed.

    id: for `drop_import`. file: empty for services and imports of earlier versions. when: the last
    time. posts: how many it brought that are stored.
    """

    id: str
    source: str
    file: str
    when: datetime
    posts: int


@dataclass(frozen=True)
class _Group:
    """An import and the appends that belong to it."""

    shown: StoredImport
    appends: tuple[AppendRows, ...]


_RECORDS = StateFiles(
    _FOLDER, ImportRecord, remedy="delete it; its posts are then listed by the time of the import"
)


def import_id(path: Path) -> str:
    """The id of the import of a file."""
    return digest(str(path.absolute()))[:_ID_LENGTH]


def own_instants(storage: Storage, handle: Handle, path: Path) -> tuple[datetime, ...]:
    """When rows of a file were stored before. Raises DamagedState."""
    record = _RECORDS.load(storage, f"{handle}/{import_id(path)}")
    return () if record is None else record.instants


def record_import(
    storage: Storage,
    handle: Handle,
    path: Path,
    source: str,
    at: datetime,
    repeats: Collection[int],
) -> None:
    """Note the import of a file, once its rows are durable. Raises DamagedState, StorageUnusable.

    repeats: fingerprints of its posts that another import had stored.
    """
    name = import_id(path)
    instants = {*own_instants(storage, handle, path), at}
    stored = {each.scraped_at for each in appends(storage, handle)}
    if repeats:
        _save_repeats(storage, handle, name, _repeats(storage, handle, name).union(repeats))
    record = ImportRecord(source, path.name, tuple(sorted(instants & stored)), at)
    _RECORDS.save(storage, f"{handle}/{name}", record)


def stored_imports(storage: Storage, handle: Handle) -> list[StoredImport]:
    """The imports that posts of an account are stored from, the latest last.

    Raises DamagedState, StorageUnusable.
    """
    return [group.shown for group in _groups(storage, handle)]


def find_import(storage: Storage, handle: Handle, name: str) -> StoredImport:
    """The import with this id. Raises BadInput where there is none."""
    return _group(storage, handle, name).shown


def posts_of_import(storage: Storage, handle: Handle, name: str) -> list[str]:
    """The ids of the rows that `drop_import` would delete, each once. Raises BadInput."""
    group = _group(storage, handle, name)
    kept = _kept(storage, handle, name)
    gone, _ = surviving(storage, handle, group.appends, kept)
    return sorted(gone)


def drop_import(storage: Storage, handle: Handle, name: str) -> int:
    """Take an import back; returns how many rows were deleted.

    Posts that another import brought too stay, in the version that it brought. After an
    interruption the same call finishes the work. Raises BadInput, DamagedState, StorageUnusable.
    """
    group = _group(storage, handle, name)
    kept = _kept(storage, handle, name)
    _, survivors = surviving(storage, handle, group.appends, kept)
    for other, record in _records(storage, handle).items():
        repeats = _repeats(storage, handle, other)
        mine = {at for at, prints in survivors.items() if not repeats.isdisjoint(prints)}
        if other != name and mine:
            instants = tuple(sorted({*record.instants, *mine}))
            _RECORDS.save(storage, f"{handle}/{other}", replace(record, instants=instants))
    dropped = drop_rows(storage, handle, group.appends, kept)
    for each in group.appends:
        if each.scraped_at not in survivors:
            delete_edits(storage, handle, each.scraped_at)
    if name in SERVICES:
        delete_position(storage, handle, name)
        forget_watermark(storage, handle, name)
    storage.delete(f"{_FOLDER}/{handle}.json")  # so that the file can be imported again
    storage.delete(_repeats_key(handle, name))
    _RECORDS.delete(storage, f"{handle}/{name}")
    return dropped


def _group(storage: Storage, handle: Handle, name: str) -> _Group:
    groups = {group.shown.id: group for group in _groups(storage, handle)}
    if name not in groups:
        known = ", ".join(groups) or "none"
        raise BadInput(f"@{handle}: no import {name[:40]!r} is stored: there is {known}")
    return groups[name]


def _groups(storage: Storage, handle: Handle) -> list[_Group]:
    rows = appends(storage, handle)
    records = _records(storage, handle)
    recorded = {at for record in records.values() for at in record.instants}
    groups = [_of_record(storage, handle, name, record, rows) for name, record in records.items()]
    groups += _without_record([each for each in rows if each.scraped_at not in recorded])
    return sorted(groups, key=lambda group: (group.shown.when, group.shown.id))


def _of_record(
    storage: Storage, handle: Handle, name: str, record: ImportRecord, rows: list[AppendRows]
) -> _Group:
    mine = tuple(each for each in rows if each.scraped_at in record.instants)
    posts = sum(each.posts for each in mine)
    if repeats := _repeats(storage, handle, name):
        # Some of these may be rows of its own, left by an import that was taken back.
        others, _ = surviving(storage, handle, mine, repeats)
        posts = len(others) + len(repeats)
    return _Group(StoredImport(name, record.source, record.file, record.last, posts), mine)


def _without_record(rows: list[AppendRows]) -> Iterator[_Group]:
    by_name: dict[str, list[AppendRows]] = {}
    for each in rows:
        is_service = each.source in SERVICES
        made = digest(each.source, each.scraped_at)[:_ID_LENGTH]
        by_name.setdefault(each.source if is_service else made, []).append(each)
    for name, found in by_name.items():
        when = max(each.scraped_at for each in found)
        posts = sum(each.posts for each in found)
        yield _Group(StoredImport(name, found[0].source, "", when, posts), tuple(found))


def _records(storage: Storage, handle: Handle) -> dict[str, ImportRecord]:
    found: dict[str, ImportRecord] = {}
    for name in _RECORDS.names(storage, handle.name):
        if (record := _RECORDS.load(storage, name)) is not None:
            found[name.removeprefix(f"{handle}/")] = record
    return found


def _kept(storage: Storage, handle: Handle, name: str) -> frozenset[int]:
    """The fingerprints of what imports other than this one brought too."""
    others = [other for other in _records(storage, handle) if other != name]
    return frozenset().union(*(_repeats(storage, handle, other) for other in others))


def _repeats_key(handle: Handle, name: str) -> str:
    return f"{_FOLDER}/{handle}/{name}.repeats"


def _repeats(storage: Storage, handle: Handle, name: str) -> frozenset[int]:
    try:
        content = storage.read(_repeats_key(handle, name))
    except FileNotFoundError:
        return frozenset()
    return frozenset(np.frombuffer(content[: len(content) // 8 * 8], "<u8").tolist())


def _save_repeats(storage: Storage, handle: Handle, name: str, repeats: Collection[int]) -> None:
    storage.write(_repeats_key(handle, name), np.array(sorted(repeats), "<u8").tobytes())
