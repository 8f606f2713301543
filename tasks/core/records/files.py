"""Files in the storage, as the other records refer to them."""

from __future__ import annotations

from dataclasses import dataclass

# The file that says what a folder holds; written last, so that a folder with one is whole.
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FileRef:
    """A file in the storage, by content.

    uri: its key below the storage root.
    sha256: of its bytes, hexadecimal.
    rows: the rows in it, where it is a table; else 0.
    """

    uri: str
    sha256: str
    rows: int = 0
