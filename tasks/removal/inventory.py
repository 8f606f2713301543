"""What plans and receipts list, who holds data of an account, and where the storage has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.core.names import Handle

# Folders of the storage in which a handle or a bot has a folder or a file of its name.
OF_HANDLES = ("posts", "profiles", "watermarks", "positions", "accounts", "avatars")
OF_BOTS = (
    "corpora",
    "resume",
    "checkpoints",
    "releases",
    "outcomes",
    "states",
    "due",
    "attempts",
)


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


def bot_of(result: Path) -> str:
    """The bot whose cached result a file is, such as `evaluate-alice-<digest>`; or empty."""
    return result.name.partition("-")[2].rpartition("-")[0]
