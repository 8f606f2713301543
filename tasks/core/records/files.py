"""References from records to files in the storage."""

from __future__ import annotations

from dataclasses import dataclass

# Describes a folder's content; written last, so that a folder that has one is complete.
MANIFEST = "manifest.json"
# The weights of a whole model, and of an adapter, in the folder of a checkpoint or a release.
WEIGHTS = "model.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class FileRef:
    """A file in the storage, identified by its content.

    uri: its key below the storage root.
    sha256: of its bytes, hexadecimal.
    rows: its number of rows if it is a table, else 0.
    """

    uri: str
    sha256: str
    rows: int = 0
