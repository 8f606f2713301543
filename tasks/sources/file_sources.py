"""Which source a file is, by what is in it."""

from __future__ import annotations

from pathlib import Path

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.sources.read_errors import as_unreadable
from tasks.sources.source import Source
from tasks.sources.table.source import TableSource
from tasks.sources.x_archive.index import index_archive
from tasks.sources.x_archive.source import XArchiveSource
from tasks.storage import sha256_of

_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")  # with files in it, and empty


def open_file_source(path: Path, handle: Handle | None) -> Source:
    """The X archive (a folder or a zip) or the table at a path.

    An archive names its handle; a table needs one. Raises BadInput if the handle is missing or is
    not the archive's, UnreadableSource if the file is neither.
    """
    if _is_archive(path):
        return XArchiveSource(path, handle)
    if handle is None:
        raise BadInput(f"{path}: a table does not say whose posts it holds: give --handle")
    return TableSource(path, handle)


def file_digest(path: Path) -> str:
    """A digest that changes when the posts in a file may have, hexadecimal.

    Of a table's bytes, or of those files of an archive that are read. Raises UnreadableSource.
    """
    if _is_archive(path):
        index = index_archive(path)
        return index.files.digest(index.names)
    with as_unreadable(str(path)):
        return sha256_of(path)


def _is_archive(path: Path) -> bool:
    if path.is_dir():
        return True
    if not path.is_file():
        raise UnreadableSource(f"{path}: there is no such file: check the path")
    with as_unreadable(str(path)), path.open("rb") as stream:
        return stream.read(4) in _ZIPS or path.suffix.lower() == ".zip"
