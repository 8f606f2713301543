"""A site in a folder: only what changed is written, each file whole, and what is gone is removed.

`site.json` lists our files with their digests. Others in the folder, such as a `robots.txt`, are
left alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import BadInput
from tasks.gallery.site_files import SiteFile
from tasks.storage import Storage
from tasks.storage.drafts import draft_file
from tasks.storage.storage_errors import kind_of

LISTING = "site.json"
# Weights and pictures are never changed in place, so a site shares them with the releases.
_SHARED = (".gguf", ".png")


@dataclass(frozen=True)
class Written:
    """What a build did. bytes: of all files of the site."""

    files: int
    written: int
    removed: int
    bytes: int


def check_folder(folder: Path) -> None:
    """Raises BadInput for a path that is no folder, or one with files that are no site of ours."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: a file of this name is there: name a folder for the site")
    if folder.is_dir() and not (folder / LISTING).exists() and any(folder.iterdir()):
        raise BadInput(
            f"{folder}: this folder holds other files, and no site of huggingtweets: name a new one"
        )


def write_site(
    storage: Storage, files: Iterable[SiteFile], folder: Path, *, public: bool
) -> Written:
    """Make a folder hold these files, in their order.

    public: whether a web server of another user may read them.
    Raises BadInput as `check_folder` does, StorageUnusable.
    """
    check_folder(folder)
    try:
        return _Build(storage, folder, public=public).run(files)
    except OSError as error:
        raise kind_of(error)(
            f"site {folder}: cannot be written ({error.strerror or error}): name another folder"
        ) from error


class _Build:
    """One build of one folder."""

    def __init__(self, storage: Storage, folder: Path, *, public: bool) -> None:
        self._storage, self._folder = storage, folder
        self._modes = (0o755, 0o644) if public else (0o700, 0o600)
        self._before = _listed(folder)

    def run(self, files: Iterable[SiteFile]) -> Written:
        planned = {file.path: (file, file.sha256) for file in files}
        digests = {path: digest for path, (_, digest) in planned.items()}
        changed = [file for file, digest in planned.values() if not self._has(file, digest)]
        gone = self._before.keys() - planned.keys()
        self._make_folder(self._folder)
        if changed:
            # Listed before they are there, so that a build after an interrupted one removes them.
            self._list({**self._before, **dict.fromkeys((file.path for file in changed), "")})
        for file in changed:
            self._install(file)
        for path in sorted(gone):
            self._remove(self._folder / path)
        if changed or gone or not self._before:
            self._list(digests)
        size = sum((self._folder / path).stat().st_size for path in planned)
        return Written(len(planned), len(changed), len(gone), size)

    def _has(self, file: SiteFile, digest: str) -> bool:
        return self._before.get(file.path) == digest and (self._folder / file.path).is_file()

    def _install(self, file: SiteFile) -> None:
        target = self._folder / file.path
        self._make_folder(target.parent)
        with draft_file(target.parent, target.name) as draft:
            self._fill(file, draft)
            with suppress(PermissionError):  # another user's file that is shared
                draft.chmod(self._modes[1])
            draft.replace(target)

    def _fill(self, file: SiteFile, draft: Path) -> None:
        if file.data is not None:
            draft.write_bytes(file.data)
        elif file.local is not None:
            shutil.copyfile(file.local, draft)
        elif file.released is not None and not self._shared(file, draft):
            self._storage.copy_file(file.released.key, draft)

    def _shared(self, file: SiteFile, draft: Path) -> bool:
        """Make the draft a hard link to a file of a release, where that can be."""
        if file.released is None or not self._storage.is_local or not file.path.endswith(_SHARED):
            return False
        link = draft.with_name(f"{draft.name}-old")  # a name that is removed if it is left behind
        try:
            link.hardlink_to(self._storage.local(file.released.key))
        except OSError:  # across file systems, or where there are no hard links
            return False
        link.replace(draft)
        return True

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            folder.chmod(self._modes[0])

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self._folder or not _removed_empty(parent):
                break

    def _list(self, files: Mapping[str, str]) -> None:
        listing = {"kind": "huggingtweets site", "format": 1, "files": dict(sorted(files.items()))}
        with draft_file(self._folder, LISTING) as draft:
            draft.write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
            draft.chmod(self._modes[1])
            draft.replace(self._folder / LISTING)


def _removed_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _listed(folder: Path) -> dict[str, str]:
    """Our files in a folder, with their digests. Raises BadInput for a damaged list."""
    path = folder / LISTING
    if not path.exists():
        return {}
    try:
        files: Any = json.loads(path.read_text(encoding="utf-8"))["files"]
        found = {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: damaged: delete the folder, and build the site again") from error
    if any(name.startswith("/") or ".." in Path(name).parts for name in found):
        raise BadInput(f"{path}: it lists files outside the site: delete the folder")
    return found
