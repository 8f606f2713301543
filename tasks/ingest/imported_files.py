"""Which file an account's posts were last imported from, so that it is not read again.

A file a handle. Importing once more what is stored changes nothing: it only takes time.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.core.names import Handle
from tasks.lake.posts import rows_stored
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles


@dataclass(frozen=True)
class _Import:
    """An import; content: the digest of its file; stored: posts of the handle afterwards."""

    content: str
    stored: int


_IMPORTS = StateFiles("imports", _Import, remedy="the next import replaces it")


def is_imported(storage: Storage, handle: Handle, content: str) -> bool:
    """Whether a file of this digest was imported last, and as many posts are still stored."""
    last = _IMPORTS.load_readable(storage, handle.name)
    if last is None or last.content != content:
        return False
    return rows_stored(storage, handle) >= last.stored


def save_import(storage: Storage, handle: Handle, content: str, stored: int) -> None:
    """Remember an import, once its rows are durable. Raises StorageUnusable."""
    _IMPORTS.save(storage, handle.name, _Import(content, stored))
