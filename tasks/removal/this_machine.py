"""What only this machine holds of accounts: W&B runs, and results of Prefect tasks.

Other machines cannot be reached from here. Each checks the opt-outs at its next retrain and
removes what it holds of those accounts.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tasks.core.name_matching import is_of, mentions
from tasks.core.names import Handle
from tasks.core.records import digest
from tasks.core.settings import Settings
from tasks.removal.inventory import OF_BOTS, OF_HANDLES, Removal, bot_of
from tasks.storage import Storage, write_file
from tasks.storage.drafts import abandoned_temporary_folders, delete_abandoned
from tasks.storage.opt_outs import opted_out
from tasks.tracking.account_runs import runs_of
from tasks.tracking.wandb_environment import FOLDER as RUNS
from tasks.tracking.wandb_environment import tracking_folder

_SEEN = "opt-outs-seen"
_FOLDERS = frozenset((*OF_HANDLES, *OF_BOTS, RUNS))
# Other projects may keep results in Prefect's folder too: theirs are left alone.
_OURS = ('"__class__": "tasks.', '"__exc_type__": "tasks.')
_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class ThisMachine:
    """What this machine holds, beside the storage.

    results: Prefect's folder of task results, or None where results are stored elsewhere.
    places: the folder of locks that are named after bots, or None.
    temporary: the system's folder for temporary files.
    """

    storage: Storage
    settings: Settings
    results: Path | None
    places: Path | None = None
    temporary: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    def find(self, handle: Handle) -> tuple[Removal, ...]:
        """What it holds of an account. Raises OSError."""
        runs = [self._measured(path) for path in self._runs(handle)]
        left = [file for each in self._left() for file in each.rglob("*") if file.is_file()]
        others = {
            "results of Prefect": results_of(self.results, [handle]),
            "temporary files that killed processes left": left,
            "locks of bots": self._locks(handle),
        }
        machine = self.settings.machine
        return (*runs, *(_counted(key, files, machine) for key, files in others.items() if files))

    def remove(self, handle: Handle) -> tuple[str, ...]:
        """Remove it; returns what may be left elsewhere. Raises OSError."""
        self._remove([handle])
        left = () if self.storage.is_local else (_ELSEWHERE,)
        return left if self.results else (*left, _IN_A_BLOCK)

    def remove_opted_out(self) -> None:
        """Remove what it holds of all accounts that opted out, once for each change of their list.

        Raises StorageUnusable, OSError.
        """
        names = opted_out(self.storage)
        mark, seen = self.settings.cache / _SEEN, digest(names, str(self.results)).encode()
        if names and not (mark.exists() and mark.read_bytes() == seen):
            self._remove([Handle.parse(name) for name in names])
            write_file(mark, seen)

    def _remove(self, handles: Sequence[Handle]) -> None:
        for handle in handles:
            for runs in self._runs(handle):
                shutil.rmtree(runs, onerror=_raise_unless_gone)
                _log.info("@%s: removed the runs in %s", handle, runs)
            for lock in self._locks(handle):
                _delete_unless_held(lock)
        for path in results_of(self.results, handles):
            path.unlink(missing_ok=True)
        for folder in self._left():
            delete_abandoned(folder)

    def _left(self) -> list[Path]:
        """Copies of files of an object store, of whichever account, and what wandb cached."""
        return abandoned_temporary_folders(self.temporary)

    def _locks(self, handle: Handle) -> list[Path]:
        found = sorted(self.places.glob("bot-*")) if self.places else []
        # Such as `bot-alice-bob.0`.
        names = ((path, path.name.removeprefix("bot-").rpartition(".")[0]) for path in found)
        return [path for path, name in names if is_of(handle, name)]

    def _runs(self, handle: Handle) -> list[Path]:
        return runs_of(tracking_folder(self.storage, self.settings), handle)

    def _measured(self, folder: Path) -> Removal:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        whole = hashlib.sha256()
        for path in files:
            with path.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        key = folder.relative_to(tracking_folder(self.storage, self.settings).parent).as_posix()
        size = sum(path.stat().st_size for path in files)
        machine = "" if self.storage.is_local else self.settings.machine
        return Removal(key, len(files), size, whole.hexdigest(), machine=machine)


def _delete_unless_held(lock: Path) -> None:
    with suppress(Timeout), FileLock(lock, blocking=False):
        lock.unlink(missing_ok=True)


def _counted(key: str, files: Sequence[Path], machine: str) -> Removal:
    size = sum(path.stat().st_size for path in files)
    return Removal(key, len(files), size, machine=machine)


_ELSEWHERE = (
    "other machines may have runs recorded offline and Prefect results in their caches: each "
    "removes them at its next retrain or `huggingtweets sync`"
)
_IN_A_BLOCK = (
    "Prefect keeps results in a storage block (PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK), which is "
    "not searched: delete them there; at worst something is computed again"
)


def results_of(folder: Path | None, handles: Sequence[Handle]) -> list[Path]:
    """The files in Prefect's folder that are results of ours naming one of these accounts."""
    if folder is None or not folder.is_dir():
        return []
    return [
        path for path in sorted(folder.iterdir()) if path.is_file() and _is_about(path, handles)
    ]


def _is_about(path: Path, handles: Sequence[Handle]) -> bool:
    # An evaluation holds what the bot wrote, without its name.
    if any(is_of(handle, bot_of(path)) for handle in handles):
        return True
    content = path.read_bytes()
    near = [handle for handle in handles if handle.name.encode() in content]
    result = _result_in(content) if near else None
    return any(mentions(handle, result, _FOLDERS) for handle in near)


def _result_in(content: bytes) -> Any:
    """The JSON of a result of ours; None for others."""
    try:
        result = json.loads(content)["result"]
        return json.loads(result) if any(mark in result for mark in _OURS) else None
    except (ValueError, KeyError, TypeError):
        return None  # not of our tasks


def _raise_unless_gone(_call: Any, _path: str, trouble: Any) -> None:
    """Raise an error of rmtree, unless the file, such as a temporary one of wandb's, is gone."""
    if not isinstance(trouble[1], FileNotFoundError):
        raise trouble[1]
