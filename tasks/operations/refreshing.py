"""A release's card, picture and links made anew from its own records, without training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from tasks.core.errors import BadInput
from tasks.core.names import Bot
from tasks.core.records import (
    MANIFEST,
    Base,
    Checkpoint,
    Corpus,
    FileRef,
    Gate,
    GateFigures,
    Release,
    Spec,
    TrackedRun,
)
from tasks.core.settings import settings
from tasks.operations.gguf_export import merged_release
from tasks.operations.preview_posts import chosen_posts
from tasks.operations.profiles import avatars_of, profiles_of
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.release_history import load_pin, save_pin
from tasks.publishing.release_manifest import warm_start_in
from tasks.publishing.releases import evaluation_of, is_public, publish_locally, verify_release
from tasks.registry.outcomes import load_outcome
from tasks.storage import Storage
from tasks.storage.opt_outs import refuse_opted_out
from tasks.tracking.sweep_reports import report_url

_FOLDER_BASE = "a local folder"  # whose name a release does not record


def refresh(storage: Storage, release: Release, *, for_hub: bool) -> Release:
    """The release, written anew: same revision and weights; today's card, names and pictures.

    for_hub: its card names its repository on the Hub.
    Raises BadInput where its files or records are damaged or gone; OptedOut, StorageUnusable.
    """
    bot = release.bot
    refuse_opted_out(storage, *bot.handles)
    if not verify_release(storage, release):
        raise BadInput(f"@{bot}: release {release.revision} is damaged: retrain it with --force")
    try:
        contents = _contents_of(storage, release, for_hub=for_hub)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"@{bot}: the records of release {release.revision} cannot be read "
            f"({type(error).__name__}): retrain it with --force"
        ) from error
    pin = load_pin(storage, bot)
    with merged_release(storage, release, contents) as model:
        made = publish_locally(
            storage, release.folder, contents, keep=settings().keep_releases, whole_model=model
        )
    if pin is not None:
        save_pin(storage, bot, pin)  # it is the same release
    return made


def _contents_of(storage: Storage, release: Release, *, for_hub: bool) -> ReleaseContents:
    bot, now = release.bot, datetime.now(UTC)
    manifest = storage.read_json(f"{release.folder}/{MANIFEST}")
    metrics = storage.read_json(f"{release.folder}/metrics.json")
    evaluation = evaluation_of(storage, release)
    if evaluation is None:
        raise ValueError("no metrics")
    profiles = profiles_of(storage, bot)
    corpus, training = _corpus(storage, bot, manifest), metrics["training"]
    return ReleaseContents(
        bot=bot,
        revision=release.revision,
        created_at=datetime.fromisoformat(manifest["created_at"]),
        corpus=corpus,
        base=_base(manifest["base"]),
        checkpoint=_checkpoint(release, manifest, training, evaluation.bot_loss),
        evaluation=evaluation,
        profiles=profiles,
        spec=Spec(**_known(Spec, manifest["spec"])),
        tracked=TrackedRun(url=training.get("run"), preprocess_url=training.get("preprocess_run")),
        namespace=settings().hub_namespace if for_hub else None,
        project_url=settings().project_url,
        sweep_url=report_url(storage, bot),
        site_url=settings().site_url,
        gate=_gate(metrics.get("gate")),
        languages=corpus.languages or (),
        contact=settings().contact,
        visibility="public" if is_public(storage, release) else "private",
        gguf=settings().gguf,
        avatars=avatars_of(storage, profiles, now),
        chosen_posts=chosen_posts(storage, release),
    )


def _corpus(storage: Storage, bot: Bot, manifest: Mapping[str, Any]) -> Corpus:
    """The record of the corpus that the release was made from, which the last outcome holds."""
    outcome = load_outcome(storage, bot)
    corpus = outcome.corpus if outcome else None
    if corpus is None or corpus.file.sha256 != manifest["corpus"]["sha256"]:
        raise BadInput(
            f"@{bot}: the last outcome is not of release {manifest['revision']}, so what it was "
            "made from is not known: retrain the bot"
        )
    return corpus


def _base(given: Mapping[str, Any]) -> Base:
    return Base(
        given.get("id") or _FOLDER_BASE, "", given["revision"], given["origin"], given["license"]
    )


def _checkpoint(
    release: Release, manifest: Mapping[str, Any], training: Mapping[str, Any], loss: float
) -> Checkpoint:
    weights = next(name for name in manifest["files"] if name.endswith(".safetensors"))
    history = tuple(
        (each["tokens"], _number(each["training_loss"]), each["held_out_loss"])
        for each in training["history"]
    )
    return Checkpoint(
        release.folder,
        release.fingerprint,
        FileRef(f"{release.folder}/{weights}", manifest["files"][weights]["sha256"]),
        min((held_out for _, _, held_out in history if held_out is not None), default=loss),
        training["learning_rate"],
        training["epochs"],
        training["steps"],
        training["tokens"],
        training["seconds"],
        training["precision"],
        history,
        warm_start=warm_start_in(manifest),
    )


def _gate(given: Mapping[str, Any] | None) -> Gate | None:
    if given is None:
        return None
    figures = given["figures"]
    return Gate(
        given["passed"],
        tuple(given["reasons"]),
        GateFigures(
            _number(figures["better_than_base"]),
            figures["worse_than_released"],
            _number(figures["repeated_share"]),
        ),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # JSON has no NaN


def _known(shape: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a record of another version has in common with today's."""
    names = {each.name for each in fields(shape)}
    return {name: value for name, value in given.items() if name in names}
