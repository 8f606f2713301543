"""What plans and receipts list, who holds data of an account, and where the storage has it.

Everything of an account or a bot is below a folder of its name, drafts of its posts included, but
for small files beside it, whose drafts a killed process may have left.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from tasks.core.names import Handle
from tasks.storage import Storage
from tasks.storage.drafts import abandoned_drafts, delete_abandoned

# Folders of the storage in which a handle or a bot has a folder or a file of its name.
OF_HANDLES = (
    "posts",
    "profiles",
    "watermarks",
    "positions",
    "accounts",
    "imports",
    "avatars",
)
OF_BOTS = (
    "corpora",
    "resume",
    "checkpoints",
    "losses",
    "releases",
    "outcomes",
    "states",
    "due",
    "attempts",
    "consents",
    "sweep-reports",
)
_SHARED = ("*", "nights/*")
_TRIES = 5  # to delete a folder that others write into


@dataclass(frozen=True)
class Removal:
    """One thing to remove.

    key: its key in the storage, a repository's name, or a description of what a holder keeps.
    files, bytes: how much it is; sha256: over all its files, or empty.
    machine: whose cache holds it; empty for what all machines share.
    """

    key: str
    files: int = 0
    bytes: int = 0
    sha256: str = ""
    machine: str = ""

    def __str__(self) -> str:
        return f"{self.key} on {self.machine}" if self.machine else self.key


class DataHolder(Protocol):
    """A holder of an account's data beside the storage and the Hub."""

    def find(self, handle: Handle) -> tuple[Removal, ...]:
        """What it would remove."""

    def remove(self, handle: Handle) -> tuple[str, ...]:
        """Remove it, also after an interruption; returns sentences on what is left, and where."""


def abandoned_in(storage: Storage) -> list[str]:
    """The keys of what killed processes left, beside the folders of accounts and bots."""
    if not storage.is_local:
        return []
    root = Path(storage.path)
    folders = [path for pattern in _SHARED for path in sorted(root.glob(pattern)) if path.is_dir()]
    drafts = [draft for folder in folders for draft in abandoned_drafts(folder)]
    return [draft.relative_to(root).as_posix() for draft in drafts]


def delete(storage: Storage, key: str) -> None:
    """Delete what a plan lists, but no draft that is being written. Raises StorageUnusable."""
    if PurePosixPath(key).name.startswith(".draft-"):
        delete_abandoned(storage.local(key))
        return
    for tries_left in reversed(range(_TRIES)):
        try:
            storage.delete(key)
            break
        except OSError as error:
            # Somebody who began before the opt-out has just written into it.
            if not tries_left or error.errno != errno.ENOTEMPTY:
                raise


def bot_of(result: Path) -> str:
    """The bot whose cached result a file is, such as `evaluate-alice-<digest>`; or empty."""
    return result.name.partition("-")[2].rpartition("-")[0]
