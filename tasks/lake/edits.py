"""Which stored posts are earlier versions of an edited post, and so are not read.

Each version of a post on X has an id of its own, and a version names those before it. A file in the
account's folder holds the ids that the posts of one append replaced. The rows of earlier versions
stay where they are: whichever version is stored first, and whatever is taken back later, the newest
that is known counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from tasks.core.errors import DamagedState
from tasks.core.names import Handle
from tasks.core.records import digest
from tasks.lake.data_files import FOLDER
from tasks.lake.snapshot import EDITS
from tasks.storage import Storage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def save_edits(
    storage: Storage, handle: Handle, replaced: Collection[str], scraped_at: datetime
) -> None:
    """Note the ids that the posts of one append replaced. Raises StorageUnusable."""
    ids = sorted(replaced)
    # Appends of the same instant must not overwrite each other's.
    storage.write_json(f"{_stem(handle, scraped_at)}{digest(ids)[:16]}.json", ids)


def delete_edits(storage: Storage, handle: Handle, scraped_at: datetime) -> None:
    """Forget what the posts of one append replaced. Raises StorageUnusable."""
    stem = _stem(handle, scraped_at)
    for key in storage.keys(f"{FOLDER}/{handle}"):
        if key.startswith(stem):
            storage.delete(key)


def replaced_ids(storage: Storage, handle: Handle, names: Iterable[str]) -> frozenset[str]:
    """The ids in the files of edits with these names. Raises DamagedState."""
    found: set[str] = set()
    for name in sorted(names):
        key = f"{FOLDER}/{handle}/{name}"
        try:
            found.update(map(str, storage.read_json(key) or ()))
        except (ValueError, TypeError) as error:
            raise DamagedState(
                f"@{handle}: {storage.location(key)} is damaged ({error}): delete it and import "
                "the posts again"
            ) from error
    return frozenset(found)


def _stem(handle: Handle, scraped_at: datetime) -> str:
    microseconds = (scraped_at - _EPOCH) // timedelta(microseconds=1)
    return f"{FOLDER}/{handle}/{EDITS}{microseconds}-"
