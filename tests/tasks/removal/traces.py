"""What is left of an account in a storage of this machine."""

from __future__ import annotations

from pathlib import Path

from tasks.storage import Storage


def traces(storage: Storage, name: str) -> set[str]:
    """The files and folders whose name or content holds a name, with letters of either case."""
    found = set()
    for path in Path(storage.path).rglob("*"):
        inside = path.read_bytes().lower() if path.is_file() else b""
        if name in str(path.relative_to(storage.path)).lower() or name.encode() in inside:
            found.add(path.relative_to(storage.path).as_posix())
    return found
