"""Releases in the storage: one folder a revision, whole or not at all, and `latest`.

releases/<bot>/<revision>/   model files, README.md, predictions.png, losses.png, metrics.json,
                             manifest.json; where asked for, <bot>-q8_0.gguf and a Modelfile
releases/<bot>/latest        a relative link to a revision; on an object store, a file that names it
releases/<bot>/<revision>-2/ on an object store, a revision that was published again: a folder there
                             cannot be replaced at once, but `latest` can
releases/<bot>/hub.json      the revision that the Hub has, and its URL
releases/<bot>/pinned.json   the revision that a person has put in force; see release_history
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from tasks.core.errors import BadInput, OptedOut, ServerTrouble
from tasks.core.names import Bot
from tasks.core.records import MANIFEST, Evaluation, Release
from tasks.core.settings import settings
from tasks.publishing.card import render_card
from tasks.publishing.checkpoint_files import add_model_files
from tasks.publishing.fonts import available_fonts
from tasks.publishing.gguf_files import gguf_name, write_gguf
from tasks.publishing.loss_curve import NAME as LOSSES
from tasks.publishing.loss_curve import render_losses
from tasks.publishing.modelfile import NAME as MODELFILE
from tasks.publishing.modelfile import render_modelfile
from tasks.publishing.picture import render_picture
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.release_manifest import file_entry, manifest_of, metrics_of
from tasks.storage import Storage
from tasks.storage.opt_outs import refuse_opted_out
from tasks.storage.state_file import StateFiles

log = logging.getLogger("huggingtweets")
KEPT_REVISIONS = 3
# JSON has no NaN.
_Loss = Annotated[float, BeforeValidator(lambda loss: math.nan if loss is None else loss)]


@dataclass(frozen=True)
class _Metrics(Evaluation):
    """What metrics.json holds of the evaluation."""

    base_loss: _Loss
    bot_loss: _Loss


@dataclass(frozen=True)
class _Push:
    """The revision that the Hub has, and its URL.

    private: whether it is so there, where that is known. files: those that anybody may fetch.
    """

    revision: str
    url: str
    private: bool | None = None
    files: tuple[str, ...] = ()


_METRICS = StateFiles("releases", _Metrics, remedy="retrain the bot with --force")
_PUSHES = StateFiles("releases", _Push, remedy="the next push replaces it")
_FOLDER_NAME = re.compile(r"(\d{8}-[0-9a-f]{8})(-\d+)?")


def revision_of(created_at: datetime, fingerprint: str) -> str:
    """The revision of a release: `<UTC date>-<fingerprint's start>`, as `20260102-0a1b2c3d`."""
    return f"{created_at.astimezone(UTC):%Y%m%d}-{fingerprint[:8]}"


def publish_locally(
    storage: Storage,
    checkpoint_key: str,
    contents: ReleaseContents,
    *,
    fonts: Sequence[Path] | None = None,
    keep: int = KEPT_REVISIONS,
    whole_model: Path | None = None,
) -> Release:
    """Write the release's folder, point `latest` at it, then prune older revisions.

    fonts: for the picture; None for those of the cache and the system.
    keep: how many revisions to keep, the latest included.
    whole_model: a folder with an adapter merged into its base, for a GGUF; None for a checkpoint
        that is a whole model.
    Raises BadInput for a damaged checkpoint, OptedOut for an account that was removed meanwhile,
    ServerTrouble where another process has pruned the release already, StorageUnusable.
    """
    if fonts is None:
        fonts = available_fonts(settings().cache / "fonts")
    bot, key = contents.bot, _unused_key(storage, contents)
    _write(storage, key, checkpoint_key, contents, fonts, whole_model)
    point_latest(storage, bot, key.rpartition("/")[2])
    if storage.exists(pin := f"{_folder(bot)}/pinned.json"):
        storage.delete(pin)  # it held until this release
    if _manifest(storage, key) is None:
        raise ServerTrouble(f"@{bot}: another process published at the same time: try again")
    _prune(storage, bot, keep)
    return Release(bot, contents.revision, contents.checkpoint.fingerprint, key)


def _unused_key(storage: Storage, contents: ReleaseContents) -> str:
    """Where the release is written: never over a whole one, but where that takes a single step."""
    key = f"{_folder(contents.bot)}/{contents.revision}"
    keys = chain([key], (f"{key}-{number}" for number in count(2)))
    return next(each for each in keys if storage.is_local or _manifest(storage, each) is None)


def _write(
    storage: Storage,
    key: str,
    checkpoint_key: str,
    contents: ReleaseContents,
    fonts: Sequence[Path],
    whole_model: Path | None,
) -> None:
    try:
        with storage.folder(checkpoint_key) as checkpoint, storage.new_folder(key) as draft:
            assemble(draft, checkpoint, contents, fonts, whole_model)
    except FileNotFoundError:
        # The removal of an account takes the folder away while it is written.
        refuse_opted_out(storage, *contents.bot.handles)
        raise
    try:
        refuse_opted_out(storage, *contents.bot.handles)
    except OptedOut:
        storage.delete(_folder(contents.bot))
        raise


def assemble(
    folder: Path,
    checkpoint_folder: Path,
    contents: ReleaseContents,
    fonts: Sequence[Path],
    whole_model: Path | None = None,
) -> None:
    """Fill an empty folder with a release, the manifest last. Raises BadInput."""
    add_model_files(checkpoint_folder, folder, contents)
    _add_gguf(folder, whole_model or folder, contents)
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    (folder / "README.md").write_text(render_card(contents, ggufs), encoding="utf-8")
    (folder / "predictions.png").write_bytes(render_picture(contents, fonts))
    if (losses := render_losses(contents, fonts)) is not None:
        (folder / LOSSES).write_bytes(losses)
    (folder / "metrics.json").write_text(_json(metrics_of(contents)), encoding="utf-8")
    (folder / MANIFEST).write_text(_json(manifest_of(contents, folder)), encoding="utf-8")


def _add_gguf(folder: Path, model: Path, contents: ReleaseContents) -> None:
    """Write the GGUF that is asked for, unless the release has it; a model without one goes on."""
    if contents.gguf is None:
        return
    name = gguf_name(contents.bot.name, contents.gguf)
    try:
        if not (folder / name).exists():
            write_gguf(model, folder / name, contents.gguf, name=f"@{contents.bot}")
        (folder / MODELFILE).write_text(render_modelfile(folder, name), encoding="utf-8")
    except BadInput as error:
        log.warning("@%s: released without GGUF: %s", contents.bot, error)


def latest_release(storage: Storage, bot: Bot) -> Release | None:
    """The release that `latest` points at, or None where it is missing or unreadable."""
    name = _latest_name(storage, bot)
    if name is None:
        return None
    key, revision = f"{_folder(bot)}/{name}", _revision_in(name)
    manifest = _manifest(storage, key)
    if manifest is None or (manifest.get("bot"), manifest.get("revision")) != (bot.name, revision):
        return None
    return Release(
        bot, revision, str(manifest.get("fingerprint")), key, _pushed(storage, bot, revision)
    )


def verify_release(storage: Storage, release: Release, *, digests: bool = False) -> bool:
    """Whether the release is whole: its manifest is there and its files have the right sizes.

    digests: also read the files and compare their SHA-256.
    """
    manifest = _manifest(storage, release.folder)
    if manifest is None or manifest.get("fingerprint") != release.fingerprint:
        return False
    return all(
        _is_whole(storage, f"{release.folder}/{name}", file, digests)
        for name, file in manifest["files"].items()
    )


def evaluation_of(storage: Storage, release: Release) -> Evaluation | None:
    """The release's evaluation, or None where it has no metrics. Raises DamagedState."""
    metrics = _METRICS.load(storage, f"{release.folder.removeprefix('releases/')}/metrics")
    return None if metrics is None else Evaluation(**vars(metrics))


def manifests_of(storage: Storage, bot: Bot) -> Iterator[tuple[str, dict[str, Any]]]:
    """The key and the manifest of each kept release, in the order of their names."""
    for key in storage.folders(_folder(bot)):
        if not _FOLDER_NAME.fullmatch(key.rpartition("/")[2]):
            continue  # `latest`
        manifest = _manifest(storage, key)
        if manifest is not None:
            yield key, manifest


def is_public(storage: Storage, release: Release) -> bool:
    """Whether others may be shown a release: as it is on the Hub, else as its manifest says.

    A release of an older version, of which neither says anything, is private.
    """
    push = _push_of(storage, release.bot, release.revision)
    if push and push.private is not None:
        return not push.private
    manifest = _manifest(storage, release.folder)
    return manifest is not None and manifest.get("visibility") == "public"


def is_on_hub(storage: Storage, release: Release, name: str) -> bool:
    """Whether anybody may fetch a file of the release from the Hub, as of the last push."""
    push = _push_of(storage, release.bot, release.revision)
    return push is not None and name in push.files


def inputs_of_releases(storage: Storage, bot: Bot) -> Iterator[tuple[str, str]]:
    """What each kept release was made from: the checkpoint's fingerprint, and the corpus' key."""
    for _, manifest in manifests_of(storage, bot):
        corpus = manifest.get("corpus")
        uri = corpus.get("uri") if isinstance(corpus, dict) else None
        yield str(manifest.get("fingerprint")), str(uri)


def add_files(storage: Storage, release: Release, files: Sequence[Path]) -> None:
    """Add files to a whole release: it stays the same revision, and lists them once they are there.

    Raises BadInput where the release is gone, StorageUnusable.
    """
    for file in files:
        with storage.draft_file(release.folder) as draft:
            shutil.copyfile(file, draft)
            storage.install_file(draft, f"{release.folder}/{file.name}")
    manifest = _manifest(storage, release.folder)
    if manifest is None:
        storage.delete(release.folder)  # pruned meanwhile, but for what was just written
        raise BadInput(f"@{release.bot}: release {release.revision} is gone: try again")
    manifest["files"] |= {file.name: file_entry(file) for file in files}
    storage.write(f"{release.folder}/{MANIFEST}", _json(manifest).encode())


def note_push(
    storage: Storage, release: Release, url: str, *, private: bool, files: Sequence[str] = ()
) -> None:
    """Record that the Hub has this release, so that later runs need not ask."""
    _PUSHES.save(storage, f"{release.bot}/hub", _Push(release.revision, url, private, tuple(files)))


def _is_whole(storage: Storage, key: str, file: dict[str, Any], digests: bool) -> bool:
    info = storage.filesystem.get_file_info(storage.full(key))
    if not info.is_file or info.size != file["size"]:
        return False
    return not digests or hashlib.sha256(storage.read(key)).hexdigest() == file["sha256"]


def point_latest(storage: Storage, bot: Bot, name: str) -> None:
    """Put the release in the folder of this name in force. Raises StorageUnusable."""
    key = _latest(bot)
    if not storage.is_local:
        storage.write(key, name.encode())
        return
    link = storage.local(key)
    if link.is_dir() and not link.is_symlink():  # see `_latest_name`
        storage.delete(key)
    draft = link.with_name(f".draft-latest-{uuid.uuid4().hex[:8]}")
    draft.symlink_to(name)
    # Atomic: there is no moment without a link.
    os.replace(draft, link)  # noqa: PTH105  (replaces the link, not what it points at)


def _latest_name(storage: Storage, bot: Bot) -> str | None:
    """The name of the folder that `latest` points at.

    A copy of a storage may hold an object store's file on a disk, or, where the link was followed,
    a second copy of the release.
    """
    key = _latest(bot)
    try:
        if storage.is_local and storage.local(key).is_symlink():
            found = str(storage.local(key).readlink())
        else:
            found = storage.read(key).decode(errors="replace")
    except OSError:
        if (copied := _manifest(storage, key)) is None:
            return None
        found = next((of for of, each in manifests_of(storage, bot) if each == copied), "")
        found = found.rpartition("/")[2]
    return found if _FOLDER_NAME.fullmatch(found) else None


def _text(storage: Storage, key: str) -> str:
    return storage.read(key).decode(errors="replace")


def _revision_in(name: str) -> str:
    found = _FOLDER_NAME.fullmatch(name)
    return found[1] if found else ""


def _prune(storage: Storage, bot: Bot, keep: int) -> None:
    """Remove the oldest releases beyond `keep`, and what is left of interrupted removals."""
    latest = _latest_name(storage, bot) or ""
    made: dict[str, str] = {}
    for key in storage.folders(_folder(bot)):
        name = key.rpartition("/")[2]
        if not _FOLDER_NAME.fullmatch(name):
            continue
        manifest = _manifest(storage, key)
        if manifest is not None:
            made[name] = str(manifest.get("created_at"))
        elif name[:8] < latest[:8]:
            # One of today may still be on its way into an object store.
            _remove(storage, key)
    for name in _superfluous(made, latest, keep):
        # Looked at again, since another process may have published meanwhile.
        if name != _latest_name(storage, bot):
            _remove(storage, f"{_folder(bot)}/{name}")


def _superfluous(made: Mapping[str, str], latest: str, keep: int) -> list[str]:
    """The releases to remove: those that the latest supersedes, and the oldest beyond `keep`.

    made: when each release was made, by the name of its folder. Nothing newer than the latest is
    among them: another process is about to make it the latest.
    """
    before = {name for name in made if name != latest and made[name] <= made.get(latest, "")}
    superseded = {name for name in before if _revision_in(name) == _revision_in(latest)}
    # Names do not order releases of one day.
    others = sorted(before - superseded, key=lambda name: (made[name], name))
    return [*superseded, *others[: max(0, len(others) - (keep - 1))]]


def _remove(storage: Storage, key: str) -> None:
    # Manifest first: if this is interrupted, the rest is not a release.
    storage.delete(f"{key}/{MANIFEST}")
    storage.delete(key)


def _manifest(storage: Storage, key: str) -> dict[str, Any] | None:
    try:
        manifest = storage.read_json(f"{key}/{MANIFEST}")
    except ValueError:
        # As if missing: the bot is then released again.
        return None
    is_ours = isinstance(manifest, dict) and isinstance(manifest.get("files"), dict)
    return manifest if is_ours else None


def _pushed(storage: Storage, bot: Bot, revision: str) -> str | None:
    push = _push_of(storage, bot, revision)
    return push.url if push else None


def _push_of(storage: Storage, bot: Bot, revision: str) -> _Push | None:
    push = _PUSHES.load_readable(storage, f"{bot}/hub")
    return push if push and push.revision == revision else None


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _folder(bot: Bot) -> str:
    return f"releases/{bot.name}"


def _latest(bot: Bot) -> str:
    return f"{_folder(bot)}/latest"
