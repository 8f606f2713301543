"""A site as a static Space on the Hugging Face Hub, and a Collection of its bots.

One commit holds what changed. A Space has about a gigabyte, so the weights stay in the bots' own
repositories, and the pages fetch them from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tasks.core.errors import ServerTrouble
from tasks.gallery.local_site import LISTING, Written
from tasks.publishing.hub_errors import hub_errors_translated
from tasks.publishing.hub_push import git_hash, held_files
from tasks.storage import sha256_of

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceInfo

TITLE = "huggingtweets"
_CARD = "README.md"
# What threads in a browser need; the writer goes on with one where they are missing.
_HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
}


class HubSpace:
    """One Space, and the Collection in the same namespace."""

    def __init__(self, name: str, token: SecretStr, endpoint: str | None = None) -> None:
        """name: `namespace/name`. endpoint: the Hub's, or None for huggingface.co."""
        from huggingface_hub import HfApi

        self._name, self._token = name, token
        self._api: HfApi = HfApi(
            endpoint=endpoint, token=token.get_secret_value(), library_name="huggingtweets"
        )

    def push(self, folder: Path, models: Collection[str]) -> Written:
        """Make the Space hold the files of a folder, in one commit, or none if nothing changed.

        models: the bots' repositories, for its card. Raises PermanentError and TransientError.
        """
        (folder / _CARD).write_text(_card(models), encoding="utf-8")
        files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != LISTING
        }
        with hub_errors_translated(self._name, self._token):
            info = self._find_or_create()
            held = held_files(info)
            changed = [name for name, path in files.items() if not _is(path, held.get(name))]
            gone = sorted(held.keys() - files.keys())
            if changed or gone:
                self._api.create_commit(
                    self._name,
                    list(_operations({name: files[name] for name in changed}, gone)),
                    repo_type="space",
                    commit_message=f"{len(changed)} files changed, {len(gone)} removed",
                    parent_commit=info.sha,
                )
                if held_files(self._info()).keys() != files.keys():
                    raise ServerTrouble(f"{self._name}: the Hub does not hold the site: try again")
        size = sum(path.stat().st_size for path in files.values())
        return Written(len(files), len(changed), len(gone), size)

    def collect(self, models: Collection[str]) -> None:
        """Make the Collection hold these repositories, and none other of this namespace."""
        namespace = self._name.partition("/")[0]
        with hub_errors_translated(self._name, self._token):
            made = self._api.create_collection(
                TITLE, namespace=namespace, private=False, exists_ok=True
            )
            items = {
                item.item_id: item.item_object_id
                for item in self._api.get_collection(made.slug).items
                if item.item_type == "model" and item.item_id.startswith(f"{namespace}/")
            }
            for model in sorted(set(models) - items.keys()):
                self._api.add_collection_item(made.slug, model, "model", exists_ok=True)
            for model in sorted(items.keys() - set(models)):
                self._api.delete_collection_item(made.slug, items[model], missing_ok=True)

    def _find_or_create(self) -> SpaceInfo:
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            return self._info()
        except RepositoryNotFoundError as error:
            if error.response.status_code != 404:
                raise
        self._api.create_repo(
            self._name, repo_type="space", space_sdk="static", private=False, exist_ok=True
        )
        return self._info()

    def _info(self) -> SpaceInfo:
        return self._api.space_info(self._name, files_metadata=True)


def _card(models: Collection[str]) -> str:
    from huggingface_hub import SpaceCardData

    data = SpaceCardData(
        title=TITLE,
        emoji="🤖",
        colorFrom="blue",
        colorTo="indigo",
        sdk="static",
        app_file="index.html",
        models=sorted(models) or None,
        custom_headers=_HEADERS,
    )
    return (
        f"---\n{data.to_yaml()}\n---\n\nBots that write like an account, made by huggingtweets.\n"
    )


def _is(path: Path, held: str | None) -> bool:
    return held is not None and held in (git_hash(path), sha256_of(path))


def _operations(
    changed: dict[str, Path], gone: list[str]
) -> Iterator[CommitOperationAdd | CommitOperationDelete]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    for name, path in changed.items():
        yield CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
    for name in gone:
        yield CommitOperationDelete(path_in_repo=name)
