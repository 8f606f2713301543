"""The storage root: whole files, temporary files, object stores."""

from tasks.storage.root import (
    Storage,
    open_storage,
    sha256_of,
    storage_root,
    write_file,
)

__all__ = ["Storage", "open_storage", "sha256_of", "storage_root", "write_file"]
