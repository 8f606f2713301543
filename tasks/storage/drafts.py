"""Drafts: temporary local files and folders, under hidden names beside what they will become.

A process that is killed leaves its draft behind. It is removed by a later write into the same
folder, at the earliest a day after its last change, and only if no living process holds its lock,
which the system releases when a process ends. Where the file system has no locks, drafts stay.

An object store needs no drafts, since an incomplete upload is no object. Files on their way there
or back are in folders of the same kind in the system's temporary folder.
"""

from __future__ import annotations

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
_KEPT = 24 * 60 * 60  # seconds
_TRIES = 10  # to make a draft in a folder that other processes make and remove


@contextmanager
def draft_file(folder: Path, name: str) -> Iterator[Path]:
    """An empty file in a folder, to fill and rename; deleted at the end if it is still there."""
    draft = _new(folder, name, lambda path: path.touch(exist_ok=False))
    try:
        with _held(draft):
            yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(folder: Path, name: str, *, mode: int = 0o777) -> Iterator[Path]:
    """An empty folder in a folder, to fill and rename; deleted at the end if it is still there.

    mode: its permissions, before the process' umask.
    """
    draft = _new(folder, name, lambda path: path.mkdir(mode))
    try:
        with _held(draft):
            yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder in the system's temporary one that only this user may read; then deleted."""
    with draft_folder(Path(tempfile.gettempdir()), "huggingtweets", mode=0o700) as folder:
        yield folder


def _new(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    draft = folder / f".draft-{name}-{uuid.uuid4().hex[:8]}"
    for tries_left in reversed(range(_TRIES)):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            make(draft)
            break
        except FileNotFoundError:  # another process has just removed the folder, which was empty
            if not tries_left:
                raise
    _remove_left_drafts(folder, datetime.now(UTC).date())
    return draft


@contextmanager
def _held(draft: Path) -> Iterator[None]:
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        with suppress(OSError):  # without locks nobody can lock it to remove it either
            lock_descriptor(descriptor, blocking=False)
        yield
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
                _remove(path)


def _remove(draft: Path) -> None:
    if draft.is_symlink():  # made and renamed at once, so nobody holds its lock
        draft.unlink()
        return
    descriptor = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if lock_descriptor(descriptor, blocking=False):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
    finally:
        os.close(descriptor)
