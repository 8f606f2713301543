"""Files and folders of this machine, which appear whole, durably, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from tasks.storage.drafts import draft_file
from tasks.storage.exchange import exchange


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file: under a temporary name, flushed to disk, then renamed."""
    with draft_file(path.parent, path.name) as draft:
        draft.write_bytes(data)
        install_file(draft, path)


def install_file(draft: Path, target: Path) -> None:
    """Move a written draft to `target`, replacing an earlier file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _flush(draft)
    draft.replace(target)
    with suppress(FileNotFoundError):  # deleted again at once, and its empty folder with it
        _flush(target.parent)


def install_folder(draft: Path, target: Path) -> None:
    """Move a filled draft to `target`; an earlier folder takes its place, to be deleted there."""
    for path in draft.rglob("*"):
        _flush(path)
    if not (target.exists() and exchange(draft, target)):
        _replace_in_two_steps(draft, target)
    _flush(target.parent)


def _replace_in_two_steps(draft: Path, target: Path) -> None:
    """Without `exchange`: killed in between, there is no folder until the next is written."""
    old = draft.with_name(f"{draft.name}-old")
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
