"""The storage root: whole files, temporary files, object stores."""

from tasks.storage.local_files import sha256_of, write_file
from tasks.storage.root import Storage, open_storage, storage_root

__all__ = ["Storage", "open_storage", "sha256_of", "storage_root", "write_file"]
