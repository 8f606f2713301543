"""The storage root: files and folders below one URL, which appear whole or not at all.

A key is a relative path with `/`, such as `posts/alice/part-….parquet`. A local file is written
under a temporary name and renamed; an object exists only once its upload is complete.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pyarrow import ArrowInvalid
from pyarrow import fs as pafs

from tasks.core.errors import WrongStorage
from tasks.core.records import MANIFEST
from tasks.core.settings import settings
from tasks.storage import local_files
from tasks.storage.drafts import draft_file, draft_folder, temporary_folder
from tasks.storage.object_store import with_longer_retries, without_credentials
from tasks.storage.storage_errors import kind_of, reason_of, translate_errors

_CHUNK = 1 << 20  # bytes
_USUAL = "use a folder, or a URL such as s3://bucket/path"
_TRIAL = ".writable"
_TRIES = 10  # to list a folder from which other processes delete


@dataclass(frozen=True)
class Storage:
    """Files below a root. Build it with `open_storage`.

    url: the root as the operator gave it, without credentials that it held.
    filesystem: pyarrow's, local or of an object store.
    path: the root's path within that file system.
    """

    url: str
    filesystem: pafs.FileSystem
    path: str

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def full(self, key: str) -> str:
        """The file system's path of a key. Raises ValueError for a key that leaves the root."""
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or any(part in ("..", ".") for part in parts):
            raise ValueError(f"{key!r} is not a key below the storage root")
        return f"{self.path}/{'/'.join(parts)}"

    def location(self, key: str) -> str:
        """The path or the URL of a key, for messages."""
        path = self.full(key)
        return path if self.is_local else f"{self.filesystem.type_name}://{path}"

    def local(self, key: str) -> Path:
        """The path of a key on this machine; only where the root is local."""
        if not self.is_local:
            raise ValueError(f"{self.url} is not local")
        return Path(self.full(key))

    def exists(self, key: str) -> bool:
        """Whether a file or a folder has this key."""
        with translate_errors(self.url):
            return self.filesystem.get_file_info(self.full(key)).type != pafs.FileType.NotFound

    def modified_at(self, key: str) -> datetime | None:
        """When a file was written last (aware, UTC), or None where there is none."""
        with translate_errors(self.url):
            written: datetime | None = self.filesystem.get_file_info(self.full(key)).mtime
        return written

    def keys(self, folder: str) -> list[str]:
        """The keys of the files directly in a folder, sorted; none where it does not exist."""
        return [key for key, is_file in self._children(folder) if is_file]

    def folders(self, folder: str) -> list[str]:
        """The keys of the folders directly in a folder, sorted, without temporary ones."""
        return [key for key, is_file in self._children(folder) if not is_file]

    def files(self, key: str) -> dict[str, int]:
        """The bytes of each file at or below a key, by its key, hidden ones included; sorted."""
        with translate_errors(self.url):
            info = self.filesystem.get_file_info(self.full(key))
        if info.type == pafs.FileType.File:
            return {key: info.size}
        return {
            each.path.removeprefix(f"{self.path}/"): each.size
            for each in sorted(self._listed(key, recursive=True), key=lambda info: info.path)
            if each.type == pafs.FileType.File
        }

    def infos(self, folder: str) -> list[pafs.FileInfo]:
        """Name, size and time of what is directly in a folder, sorted, without hidden ones."""
        shown = [info for info in self._listed(folder) if not info.base_name.startswith(".")]
        return sorted(shown, key=lambda info: str(info.base_name))

    def _listed(self, folder: str, *, recursive: bool = False) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(self.full(folder), allow_not_found=True, recursive=recursive)
        with translate_errors(self.url):
            for tries_left in reversed(range(_TRIES)):
                try:
                    found: list[pafs.FileInfo] = self.filesystem.get_file_info(selector)
                    break
                except FileNotFoundError:  # another process has just deleted a folder in it
                    if not tries_left:
                        raise
            return found

    def _children(self, folder: str) -> list[tuple[str, bool]]:
        return [
            (f"{folder}/{info.base_name}", info.type == pafs.FileType.File)
            for info in self.infos(folder)
        ]

    def read(self, key: str) -> bytes:
        """The bytes of a file. Raises FileNotFoundError, NetworkTrouble."""
        with (
            translate_errors(self.url),
            self.filesystem.open_input_stream(self.full(key), compression=None) as stream,
        ):
            return bytes(stream.read())

    def sha256(self, key: str) -> str:
        """The SHA-256 of a file, read piece by piece. Raises as `read` does."""
        with (
            translate_errors(self.url),
            self.filesystem.open_input_stream(self.full(key), compression=None) as stream,
        ):
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def read_json(self, key: str) -> Any:
        """The JSON of a file, or None where it does not exist."""
        try:
            return json.loads(self.read(key))
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> str:
        """Write a whole file durably; returns its SHA-256. Raises StorageUnusable."""
        with translate_errors(self.url):
            if self.is_local:
                local_files.write_file(self.local(key), data)
            else:
                with self.filesystem.open_output_stream(self.full(key), compression=None) as out:
                    out.write(data)
        return hashlib.sha256(data).hexdigest()

    def write_json(self, key: str, value: Any) -> str:
        """Write a value as readable JSON; returns the file's SHA-256."""
        text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        return self.write(key, text.encode("utf-8", "backslashreplace"))

    def require_writable(self) -> None:
        """Write a small file and delete it again. Raises StorageUnusable, NetworkTrouble."""
        self.write(_TRIAL, b"\n")
        self.delete(_TRIAL)

    def delete(self, key: str) -> None:
        """Delete a file or a whole folder, if it exists."""
        # It may be gone already, deleted by another worker at the same time.
        with translate_errors(self.url), suppress(FileNotFoundError):
            kind = self.filesystem.get_file_info(self.full(key)).type
            if kind == pafs.FileType.Directory:
                self.filesystem.delete_dir(self.full(key))
            elif kind == pafs.FileType.File:
                self.filesystem.delete_file(self.full(key))

    def delete_empty(self, folder: str) -> None:
        """Delete a folder if it is empty; one that another process writes into stays."""
        with translate_errors(self.url), suppress(FileNotFoundError):
            if not self.is_local:
                if self.exists(folder) and not self.files(folder):
                    self.filesystem.delete_dir(self.full(folder))
                return
            with suppress(OSError):  # it is not empty
                self.local(folder).rmdir()

    @contextmanager
    def draft_file(self, folder: str) -> Iterator[Path]:
        """A local path to write one file to, piece by piece, for `install_file`.

        It is deleted at the end of the block if it was not installed. Raises StorageUnusable.
        """
        with translate_errors(self.url), ExitStack() as stack:
            where = self.local(folder) if self.is_local else stack.enter_context(temporary_folder())
            yield stack.enter_context(draft_file(where, PurePosixPath(folder).name))

    def install_file(self, draft: Path, key: str) -> None:
        """Move a written draft to `key`, whole and durably. Raises StorageUnusable."""
        with translate_errors(self.url):
            if self.is_local:
                local_files.install_file(draft, self.local(key))
                return
            with (
                draft.open("rb") as source,
                self.filesystem.open_output_stream(self.full(key), compression=None) as out,
            ):
                shutil.copyfileobj(source, out, _CHUNK)

    @contextmanager
    def new_folder(self, key: str) -> Iterator[Path]:
        """A local folder to fill; it becomes `key` at the end of the block, unless that raises.

        It must hold a `manifest.json`. An older folder of the same key is replaced: locally in one
        step; in an object store, where that takes many, it is incomplete until its manifest has
        been uploaded, which is last. Raises StorageUnusable.
        """
        with translate_errors(self.url), self._draft_folder(key) as draft:
            yield draft
            if MANIFEST not in {path.name for path in draft.iterdir()}:
                raise AssertionError(f"{key} has no {MANIFEST}")
            if self.is_local:
                local_files.install_folder(draft, self.local(key))
            else:
                self._upload(draft, key)

    @contextmanager
    def _draft_folder(self, key: str) -> Iterator[Path]:
        if self.is_local:
            target = self.local(key)
            with draft_folder(target.parent, target.name) as draft:
                yield draft
        else:
            with temporary_folder() as draft:
                yield draft

    def _upload(self, draft: Path, key: str) -> None:
        """Upload file by file: without its manifest, which comes last, the folder is incomplete."""
        names = _manifest_last(draft)
        old = self.files(key)
        self.delete(f"{key}/{MANIFEST}")
        for left_over in old.keys() - {f"{key}/{name}" for name in [*names, MANIFEST]}:
            self.delete(left_over)
        for name in names:
            self.install_file(draft / name, f"{key}/{name}")

    @contextmanager
    def folder(self, key: str) -> Iterator[Path]:
        """A local folder with the files of `key`, to read: `key` itself where the root is local."""
        if self.is_local:
            yield self.local(key)
            return
        with temporary_folder() as copies:
            for child in self.files(key):
                target = copies / child.removeprefix(f"{key}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(child, target)
            yield copies

    def copy_file(self, key: str, target: Path) -> None:
        """Copy a file to a local path. Raises FileNotFoundError, NetworkTrouble."""
        stream = self.filesystem.open_input_stream(self.full(key), compression=None)
        with translate_errors(self.url), stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out, _CHUNK)


def open_storage(url: str) -> Storage:
    """The storage at a folder or a URL that pyarrow knows (`s3://…`, `gs://…`, `file://…`).

    Raises WrongStorage for an unknown kind of URL or a folder that cannot be created.
    """
    try:
        is_url = "://" in url
        if not url.strip() or re.fullmatch(r"[A-Za-z0-9]+:/*", url):
            raise WrongStorage(f"storage {url!r}: names no folder or bucket: {_USUAL}")
        location = url if is_url else str(Path(url).expanduser().absolute())
        filesystem, path = pafs.FileSystem.from_uri(location)
        filesystem = with_longer_retries(filesystem)
        storage = Storage(without_credentials(url), filesystem, path.rstrip("/"))
        if storage.is_local:
            Path(storage.path).mkdir(parents=True, exist_ok=True)
    except (ArrowInvalid, OSError, RuntimeError) as error:  # RuntimeError: `~no-such-user`
        reason = reason_of(error) or _USUAL
        raise kind_of(error)(f"storage {without_credentials(url)}: {reason}") from error
    return storage


def _manifest_last(folder: Path) -> list[str]:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(names, key=lambda name: (name == MANIFEST, name))


def storage_root() -> Storage:
    """The storage that the settings name. Raises StorageUnusable."""
    return open_storage(settings().storage)
