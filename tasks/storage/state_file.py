"""State files: small typed JSON files that hold what later runs need to know, such as an outcome.

A damaged one (invalid JSON, wrong encoding, wrong shape) concerns only the bot, account or night
that it is about: where many files are read, the others are read all the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from tasks.core.errors import DamagedState, HuggingtweetsError
from tasks.storage.root import Storage

T = TypeVar("T")
_SUFFIX = ".json"
_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """The state files of one kind, by name.

    values: what the readable ones hold. damaged: why the others are unreadable.
    """

    values: Mapping[str, T]
    damaged: Mapping[str, DamagedState]


class StateFiles(Generic[T]):
    """State files of one kind: `<folder>/<name>.json`.

    A name is that of the bot, account or night, or a path below it, such as `alice/x_api`.
    """

    def __init__(self, folder: str, shape: type[T], *, remedy: str, subject: str = "@") -> None:
        """The files below the key `folder`; none is read yet.

        shape: a dataclass, or another type that pydantic can validate.
        remedy: what to do about a damaged file, for messages.
        subject: put before a name in messages.
        """
        self.folder = folder
        self._adapter = TypeAdapter(shape)
        self._remedy = remedy
        self._subject = subject

    def key(self, name: str) -> str:
        """The key of a file below the storage root."""
        return f"{self.folder}/{name}{_SUFFIX}"

    def exists(self, storage: Storage, name: str) -> bool:
        """Whether there is such a file, damaged or not."""
        return storage.exists(self.key(name))

    def names(self, storage: Storage, below: str = "") -> list[str]:
        """The names of the files directly in the folder, or in `below` of it; sorted."""
        folder = f"{self.folder}/{below}" if below else self.folder
        keys = [key for key in storage.keys(folder) if key.endswith(_SUFFIX)]
        return [str(PurePosixPath(key).relative_to(self.folder))[: -len(_SUFFIX)] for key in keys]

    def load(self, storage: Storage, name: str) -> T | None:
        """What a file holds, or None where there is none. Raises DamagedState."""
        try:
            content = storage.read(self.key(name))
        except FileNotFoundError:
            return None
        try:
            return self._adapter.validate_python(json.loads(content))
        except (ValueError, RecursionError, HuggingtweetsError) as error:
            subject = f"{self._subject}{PurePosixPath(name).parts[0]}"
            raise DamagedState(
                f"{subject}: {storage.location(self.key(name))} is damaged ({_reason(error)}): "
                f"{self._remedy}"
            ) from error

    def load_readable(self, storage: Storage, name: str) -> T | None:
        """What a file holds, or None where there is none; a damaged one is logged, and is none."""
        try:
            return self.load(storage, name)
        except DamagedState as error:
            _log.warning("%s", error)
            return None

    def load_all(self, storage: Storage, names: Iterable[str] | None = None) -> Loaded[T]:
        """All files directly in the folder, or those of these names; the damaged ones by errors."""
        values: dict[str, T] = {}
        damaged: dict[str, DamagedState] = {}
        for name in self.names(storage) if names is None else names:
            try:
                value = self.load(storage, name)
            except DamagedState as error:
                damaged[name] = error
            else:
                if value is not None:  # None: there is none, or it was deleted just now
                    values[name] = value
        return Loaded(values, damaged)

    def save(self, storage: Storage, name: str, value: T) -> None:
        """Write a file whole, in the place of an earlier one. Raises StorageUnusable."""
        storage.write_json(self.key(name), self._adapter.dump_python(value, mode="json"))

    def delete(self, storage: Storage, name: str) -> None:
        """Delete a file, if it exists, and the folder below `folder` that it leaves empty."""
        storage.delete(self.key(name))
        if "/" in name:
            storage.delete_empty(str(PurePosixPath(self.key(name)).parent))


def _reason(error: Exception) -> str:
    """Why a file is damaged, in one line, without its content."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        return f"{field}: {first['msg']}" if field else first["msg"]
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason} at byte {error.start}"
    if isinstance(error, HuggingtweetsError):  # of a record that checks its fields itself
        return str(error)
    return f"not JSON: {error}"
