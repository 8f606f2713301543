"""Drafts: temporary local files and folders, under hidden names beside what they will become.

A process that is killed leaves its draft behind. It is removed by a later write into the same
folder, at the earliest a day after its last change, and only if no living process holds its lock,
which the system releases when a process ends. Where the file system has no locks, drafts stay.
Whoever asks for them can remove such drafts at any age.

An object store needs no drafts, since an incomplete upload is no object. Files on their way there
or back are in folders of the same kind in the system's temporary folder.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from filelock import lock_descriptor

_NAME = re.compile(r"\.draft-(.+-)?([0-9a-f]{8}|[0-9a-f]{32})(-old)?")
_TEMPORARY = "huggingtweets"
_KEPT = 24 * 60 * 60  # seconds
_TRIES = 10  # to make a draft in a folder that other processes make and remove


@contextmanager
def draft_file(folder: Path, name: str) -> Iterator[Path]:
    """An empty file in a folder, to fill and rename; deleted at the end if it is still there."""
    with _new(folder, name, lambda path: path.touch(exist_ok=False)) as draft:
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(folder: Path, name: str, *, mode: int = 0o777) -> Iterator[Path]:
    """An empty folder in a folder, to fill and rename; deleted at the end if it is still there.

    mode: its permissions, before the process' umask.
    """
    with _new(folder, name, lambda path: path.mkdir(mode)) as draft:
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder in the system's temporary one that only this user may read; then deleted."""
    with draft_folder(Path(tempfile.gettempdir()), _TEMPORARY, mode=0o700) as folder:
        yield folder


def abandoned_drafts(folder: Path) -> list[Path]:
    """The drafts directly in a folder that killed processes left, of any age, sorted."""
    drafts = sorted(path for path in folder.glob(".draft-*") if _NAME.fullmatch(path.name))
    return [draft for draft in drafts if not draft.is_symlink() and _is_abandoned(draft)]


def delete_abandoned(draft: Path) -> None:
    """Delete a draft, if it is there and no living process holds it. Raises OSError."""
    with suppress(FileNotFoundError), _locked(draft) as is_locked:
        if is_locked:
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def abandoned_temporary_folders(parent: Path) -> list[Path]:
    """The `temporary_folder`s in a folder that killed processes left, of any age, sorted."""
    drafts = abandoned_drafts(parent)
    return [draft for draft in drafts if draft.name.startswith(f".draft-{_TEMPORARY}-")]


@contextmanager
def _new(folder: Path, name: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """A draft that this process holds to the end of the block."""
    draft, descriptor = _made(folder, name, make)
    try:
        _remove_left_drafts(folder, datetime.now(UTC).date())
        yield draft
    finally:
        os.close(descriptor)


def _made(folder: Path, name: str, make: Callable[[Path], None]) -> tuple[Path, int]:
    """A draft and its open descriptor, locked. Another process may remove both in between."""
    for tries_left in reversed(range(_TRIES)):
        draft = folder / f".draft-{name}-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            make(draft)
            descriptor = os.open(draft, os.O_RDONLY)
        except (FileNotFoundError, FileExistsError):
            # Where the folder is removed within `mkdir`, Python takes what existed for a file.
            if not tries_left:
                raise
            continue
        if _hold(descriptor, draft):
            break
        os.close(descriptor)
        delete_abandoned(draft)
    else:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(draft))
    return draft, descriptor


def _hold(descriptor: int, draft: Path) -> bool:
    """Lock a draft; False where another process has taken it for abandoned just before."""
    try:
        return lock_descriptor(descriptor, blocking=False) and draft.exists()
    except OSError:
        return True  # without locks nobody can lock it to remove it either


def _is_abandoned(draft: Path) -> bool:
    try:
        with _locked(draft) as is_locked:
            return is_locked
    except OSError:  # gone, or there are no locks
        return False


@contextmanager
def _locked(draft: Path) -> Iterator[bool]:
    """Whether the lock of a draft could be had; it is held in the block. Raises OSError."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield lock_descriptor(descriptor, blocking=False)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=1024)
def _remove_left_drafts(folder: Path, _day: date) -> None:
    """Once a day in each process, since some folders have thousands of files."""
    old = time.time() - _KEPT
    for path in folder.glob(".draft-*"):
        # Already removed by another process, or not permitted: the write goes on all the same.
        with suppress(OSError):
            if _NAME.fullmatch(path.name) and path.lstat().st_mtime < old:
                # A link is made and renamed at once, so nobody holds it.
                path.unlink() if path.is_symlink() else delete_abandoned(path)
