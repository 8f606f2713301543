"""A release on the Hugging Face Hub: one atomic commit, checked afterwards, then a tag.

The tag is `v<date>-<fingerprint's start>`. Until the commit is made the repository shows what it
showed before; should the tag be missing then, the next push of the same release sets it.
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
from tasks.publishing.hub_errors import explained
from tasks.publishing.local import note_push
from tasks.storage import Storage, sha256_of

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo

# The Hub's own file, which no release has.
_OF_THE_HUB = {".gitattributes"}


@dataclass(frozen=True)
class Access:
    """Who may read a bot's repository.

    new: the visibility of a repository that is created now, `private` or `public`.
    visibility: the bot's own, which goes before `new` and changes a repository that is there, or
        None.
    gated: readers must ask, and are let in by the Hub (`auto`) or by its owner (`manual`); None
        leaves it as it is.
    """

    new: str = "private"
    visibility: Literal["private", "public"] | None = None
    gated: Literal["auto", "manual"] | None = None

    @property
    def starts_private(self) -> bool:
        """Whether a repository that is created now is private."""
        return (self.visibility or self.new) != "public"

    def changes(self, info: ModelInfo) -> dict[str, Any]:
        """The settings in which a repository differs from what is wanted."""
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
    """Make the Hub's repository `namespace/bot` hold exactly this release; returns its URL.

    endpoint: another Hub, or None for the usual one.
    Nothing is committed where the repository holds the release already, so this can be repeated.
    Raises PermanentError (token, name) and TransientError (network, limits, a second publisher).
    """
    from huggingface_hub import HfApi

    repository = f"{namespace}/{release.bot.name}"
    api = HfApi(endpoint=endpoint, token=token.get_secret_value(), library_name="huggingtweets")
    with explained(repository, token), storage.folder(release.folder) as folder:
        push = _Push(api, repository, folder, token)
        info = push.found(private=access.starts_private)
        push.settle(info, access)
        push.tag(push.commit(release, info), f"v{release.revision}")
    url = f"{api.endpoint}/{repository}"
    note_push(storage, release, url)
    return url


class _Push:
    """One folder on its way to one repository."""

    def __init__(self, api: HfApi, repository: str, folder: Path, token: SecretStr) -> None:
        self._api = api
        self._repository = repository
        self._token = token
        self._files = {path.name: path for path in sorted(folder.iterdir())}
        self._hashes = {
            name: (_git_hash(path), sha256_of(path)) for name, path in self._files.items()
        }

    def found(self, *, private: bool) -> ModelInfo:
        """The repository, created where it is missing: the Hub limits how many are made a day."""
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

    def settle(self, info: ModelInfo, access: Access) -> None:
        """Set who may read, before there is anything new to be read."""
        if changes := access.changes(info):
            self._api.update_repo_settings(self._repository, **changes)

    def commit(self, release: Release, info: ModelInfo) -> str:
        """The commit that holds the release: the head, or a new one on top of it."""
        if not self._is_held_by(info):
            self._send(info, release)
            info = self._info()
            if not self._is_held_by(info):
                raise ServerTrouble(
                    f"{self._repository}: the Hub does not hold what was sent, or somebody else "
                    "published at the same time: try again"
                )
        return str(info.sha)

    def tag(self, commit: str, name: str) -> None:
        """Let the tag point at the commit, whether or not it is there."""
        tags = self._api.list_repo_refs(self._repository).tags
        found = next((tag for tag in tags if tag.name == name), None)
        if found is not None and found.target_commit == commit:
            return
        if found is not None:
            self._api.delete_tag(self._repository, tag=name)
        self._api.create_tag(self._repository, tag=name, revision=commit, exist_ok=True)

    def _send(self, info: ModelInfo, release: Release) -> None:
        try:
            with explained(self._repository, self._token):
                self._api.create_commit(
                    self._repository,
                    operations=list(self._operations(info)),
                    commit_message=f"Release {release.revision}",
                    parent_commit=info.sha,
                )
        except TransientError:
            # The reply may be lost and the commit made: the head tells.
            if not self._is_held_by(self._info()):
                raise

    def _operations(self, info: ModelInfo) -> Iterator[CommitOperationAdd | CommitOperationDelete]:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        for name, path in self._files.items():
            yield CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
        for name in sorted(_hashes(info).keys() - self._files.keys()):
            yield CommitOperationDelete(path_in_repo=name)

    def _info(self) -> ModelInfo:
        return self._api.model_info(self._repository, files_metadata=True)

    def _is_held_by(self, info: ModelInfo) -> bool:
        """Whether the repository has these files and no others, by their hashes."""
        there = _hashes(info)
        return there.keys() == self._files.keys() and all(
            there[name] in expected for name, expected in self._hashes.items()
        )


def _hashes(info: ModelInfo) -> dict[str, str | None]:
    """The repository's files: SHA-256 of large ones, Git's hash of the others."""
    return {
        file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id
        for file in info.siblings or ()
        if file.rfilename not in _OF_THE_HUB
    }


def _git_hash(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
