"""Releases as GGUF: with each release, added to one that is there, or for a person's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tasks.core.errors import BadInput
from tasks.core.gguf_kinds import GgufKind
from tasks.core.records import ADAPTER_WEIGHTS, Base, Release
from tasks.publishing.gguf_files import gguf_name, write_gguf
from tasks.publishing.modelfile import NAME as MODELFILE
from tasks.publishing.modelfile import render_modelfile
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.releases import add_files
from tasks.storage import Storage, write_file
from tasks.storage.drafts import temporary_folder
from tasks.storage.opt_outs import refuse_opted_out


@contextmanager
def merged_for_gguf(
    storage: Storage, contents: ReleaseContents, base: Base
) -> Iterator[Path | None]:
    """The adapter of a release that is to have a GGUF, merged into its base; None for no adapter.

    Raises BaseUnavailable.
    """
    if contents.gguf is None or not contents.is_adapter:
        yield None
        return
    with storage.folder(contents.checkpoint.uri) as adapter, temporary_folder() as merged:
        _merge(adapter, Path(base.folder), merged)
        yield merged


def export_gguf(
    storage: Storage, release: Release, kind: GgufKind, folder: Path, base_id: str | None = None
) -> list[Path]:
    """Write a release as GGUF with a Modelfile into a folder; returns both paths.

    base_id: of an adapter, the base that it was trained on; None for the one that it names.
    Raises BadInput, BaseUnavailable, NetworkTrouble, StorageUnusable.
    """
    refuse_opted_out(storage, *release.bot.handles)
    name = gguf_name(release.bot.name, kind)
    with ExitStack() as stack:
        model = stack.enter_context(_whole_model(storage, release, base_id))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            write_gguf(model, folder / name, kind, name=f"@{release.bot}")
        except BadInput as error:
            raise BadInput(f"@{release.bot}: {error}") from error
        write_file(folder / MODELFILE, render_modelfile(model, name).encode())
    return [folder / name, folder / MODELFILE]


def add_gguf(storage: Storage, release: Release, kind: GgufKind) -> str:
    """Add a GGUF to a release that has none of this kind; returns its key.

    Raises as `export_gguf` does.
    """
    name = gguf_name(release.bot.name, kind)
    if not storage.exists(key := f"{release.folder}/{name}"):
        with temporary_folder() as folder:
            add_files(storage, release, export_gguf(storage, release, kind, folder))
    return key


@contextmanager
def merged_release(
    storage: Storage, release: Release, contents: ReleaseContents
) -> Iterator[Path | None]:
    """As `merged_for_gguf`, of a release that is written anew and has no GGUF of this kind yet."""
    name = gguf_name(release.bot.name, contents.gguf or "")
    if (
        contents.gguf is None
        or not contents.is_adapter
        or storage.exists(f"{release.folder}/{name}")
    ):
        yield None
        return
    with _whole_model(storage, release, None) as model:
        yield model


@contextmanager
def _whole_model(storage: Storage, release: Release, base_id: str | None) -> Iterator[Path]:
    with storage.folder(release.folder) as folder:
        if not (folder / ADAPTER_WEIGHTS).exists():
            yield folder
            return
        from tasks.generation.release_model import base_of

        with temporary_folder() as merged:
            _merge(folder, Path(base_of(folder, base_id).folder), merged)
            yield merged


def _merge(adapter: Path, base: Path, folder: Path) -> None:
    from tasks.training.export import export_merged

    export_merged(adapter, base, folder)
