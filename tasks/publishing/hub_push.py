"""Pushes a release to the Hugging Face Hub: one atomic commit, verified, then a tag.

The tag is `v<revision>`. Until the commit is made the repository is unchanged. If the tag is
missing afterwards, the next push of the same release sets it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr

from tasks.core.errors import ServerTrouble, TransientError
from tasks.core.records import Release
from tasks.publishing.hub_errors import hub_errors_translated
from tasks.publishing.releases import note_push
from tasks.storage import Storage, sha256_of

if TYPE_CHECKING:
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationDelete,
        HfApi,
        ModelInfo,
        SpaceInfo,
    )

# Added by the Hub; no release has it.
_OF_THE_HUB = {".gitattributes"}


@dataclass(frozen=True)
class Access:
    """Who may read a bot's repository.

    new: the visibility of a repository that is created now, `private` or `public`.
    visibility: the bot's own, which overrides `new` and is applied to an existing repository too;
        or None.
    gated: readers must request access, granted automatically (`auto`) or by the owner
        (`manual`); None leaves it unchanged.
    """

    new: str = "private"
    visibility: Literal["private", "public"] | None = None
    gated: Literal["auto", "manual"] | None = None

    @property
    def starts_private(self) -> bool:
        """Whether a repository that is created now is private."""
        return (self.visibility or self.new) != "public"

    def changes(self, info: ModelInfo) -> dict[str, Any]:
        """The settings of a repository that must change."""
        found: dict[str, Any] = {}
        if self.visibility is not None and (self.visibility == "private") != info.private:
            found["visibility"] = self.visibility
        if self.gated is not None and self.gated != info.gated:
            found["gated"] = self.gated
        return found


def push_release(
    storage: Storage,
    release: Release,
    *,
    namespace: str,
    token: SecretStr,
    access: Access = Access(),
    endpoint: str | None = None,
) -> str:
    """Make the Hub repository `namespace/bot` hold exactly this release; returns its URL.

    endpoint: the Hub endpoint, or None for huggingface.co.
    Repeating it is safe: nothing is committed if the repository already holds the release.
    Raises PermanentError (token, name) and TransientError (network, limits, a second publisher).
    """
    from huggingface_hub import HfApi

    repository = f"{namespace}/{release.bot.hub_name}"
    api = HfApi(endpoint=endpoint, token=token.get_secret_value(), library_name="huggingtweets")
    with hub_errors_translated(repository, token), storage.folder(release.folder) as folder:
        push = _Push(api, repository, folder, token)
        info = push.find_or_create(private=access.starts_private)
        push.apply_access(info, access)
        push.tag(push.commit(release, info), f"v{release.revision}")
    url = f"{api.endpoint}/{repository}"
    private = (access.visibility == "private") if access.visibility else bool(info.private)
    is_open = not (private or access.gated or info.gated)
    files = push.files if is_open else ()
    note_push(storage, release, url, private=private, files=files)
    return url


class _Push:
    """The push of one folder to one repository."""

    def __init__(self, api: HfApi, repository: str, folder: Path, token: SecretStr) -> None:
        self._api = api
        self._repository = repository
        self._token = token
        self._files = {path.name: path for path in sorted(folder.iterdir())}
        self._hashes = {
            name: (git_hash(path), sha256_of(path)) for name, path in self._files.items()
        }

    @property
    def files(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._files)

    def find_or_create(self, *, private: bool) -> ModelInfo:
        """The repository; created only if missing, since the Hub limits creations a day."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        try:
            return self._info()
        except GatedRepoError:
            raise
        except RepositoryNotFoundError as error:
            if error.response.status_code != 404:
                raise
        self._api.create_repo(self._repository, private=private, exist_ok=True)
        return self._info()

    def apply_access(self, info: ModelInfo, access: Access) -> None:
        """Set who may read, before anything new is there to read."""
        if changes := access.changes(info):
            self._api.update_repo_settings(self._repository, **changes)

    def commit(self, release: Release, info: ModelInfo) -> str:
        """The commit that holds the release: the head, or a new one on top of it."""
        if not self._is_held_by(info):
            self._send(info, release)
            info = self._info()
            if not self._is_held_by(info):
                raise ServerTrouble(
                    f"{self._repository}: the Hub does not hold the release, or another process "
                    "published at the same time: try again"
                )
        return str(info.sha)

    def tag(self, commit: str, name: str) -> None:
        """Make the tag point at the commit, moving it if it exists."""
        tags = self._api.list_repo_refs(self._repository).tags
        found = next((tag for tag in tags if tag.name == name), None)
        if found is not None and found.target_commit == commit:
            return
        if found is not None:
            self._api.delete_tag(self._repository, tag=name)
        self._api.create_tag(self._repository, tag=name, revision=commit, exist_ok=True)

    def _send(self, info: ModelInfo, release: Release) -> None:
        try:
            with hub_errors_translated(self._repository, self._token):
                self._api.create_commit(
                    self._repository,
                    operations=list(self._operations(info)),
                    commit_message=f"Release {release.revision}",
                    parent_commit=info.sha,
                )
        except TransientError:
            # The commit may have been made though the reply was lost: check the head.
            if not self._is_held_by(self._info()):
                raise

    def _operations(self, info: ModelInfo) -> Iterator[CommitOperationAdd | CommitOperationDelete]:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        for name, path in self._files.items():
            yield CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
        for name in sorted(held_files(info).keys() - self._files.keys()):
            yield CommitOperationDelete(path_in_repo=name)

    def _info(self) -> ModelInfo:
        return self._api.model_info(self._repository, files_metadata=True)

    def _is_held_by(self, info: ModelInfo) -> bool:
        """Whether the repository has these files and no others, by their hashes."""
        remote = held_files(info)
        return remote.keys() == self._files.keys() and all(
            remote[name] in expected for name, expected in self._hashes.items()
        )


def held_files(info: ModelInfo | SpaceInfo) -> dict[str, str | None]:
    """The repository's files: SHA-256 of LFS files, Git's hash of the others."""
    return {
        file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id
        for file in info.siblings or ()
        if file.rfilename not in _OF_THE_HUB
    }


def git_hash(path: Path) -> str:
    """What Git, and so the Hub, names a file by that is not in LFS."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
