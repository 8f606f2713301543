"""What is removed of an account, as plans and receipts tell it, and where things of it lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.core.names import Handle

# Where the rooms keep something of a handle and of a bot, as a folder or a file of its name.
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
    """One thing that goes.

    key: in the storage, the name of a repository, or what it is of another keeper.
    files, bytes: how much it is; sha256: over all its files, or empty.
    machine: in whose cache it lies; empty for what all machines share.
    """

    key: str
    files: int = 0
    bytes: int = 0
    sha256: str = ""
    machine: str = ""

    def __str__(self) -> str:
        return f"{self.key} on {self.machine}" if self.machine else self.key


class Neighbour(Protocol):
    """Whoever keeps something of an account for us, beside the storage and the Hub."""

    def look(self, handle: Handle) -> tuple[Removal, ...]:
        """What it would remove."""

    def clear(self, handle: Handle) -> tuple[str, ...]:
        """Remove it, also after an interruption; says in sentences what is left, and where."""


def bot_of(result: Path) -> str:
    """Whose the file of a cached result is, such as `evaluate-alice-<digest>`; or empty."""
    return result.name.partition("-")[2].rpartition("-")[0]
