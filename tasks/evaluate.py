"""How good a checkpoint is, against its base and the released version."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import task

from tasks.core.errors import StorageUnusable
from tasks.core.names import Bot
from tasks.core.records import (
    ADAPTER_WEIGHTS,
    MANIFEST,
    WEIGHTS,
    Base,
    Checkpoint,
    Corpus,
    Evaluation,
    FileRef,
    Release,
    Spec,
)
from tasks.curation.corpus_files import read_corpus
from tasks.operations.kept_losses import kept_losses
from tasks.orchestration.policies import RETRY, cached
from tasks.publishing.releases import verify_release
from tasks.storage import Storage, storage_root

if TYPE_CHECKING:
    from tasks.evaluation.measuring import Rival

log = logging.getLogger("huggingtweets")


@task(name="evaluate", task_run_name="evaluate @{bot}", **RETRY, **cached("evaluate"))
def evaluate(
    bot: Bot,
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    spec: Spec,
    released: Release | None = None,
) -> Evaluation:
    """Held-out loss of base, bot and release, the bot's predictions, and what it repeats.

    released: what the bot is to replace, or None for its first release.
    """
    from tasks.evaluation.measuring import evaluate_bot

    log.info("@%s: measuring its held-out loss and writing samples", bot)
    storage = storage_root()
    texts = read_corpus(storage, corpus)
    with (
        storage.folder(checkpoint.uri) as folder,
        _rival(storage, corpus, base, released) as rival,
        kept_losses(storage, bot, prune=True) as known,
    ):
        return evaluate_bot(
            base,
            folder,
            texts.train,
            texts.held_out,
            spec,
            seed=spec.seed,
            rival=rival,
            digest=checkpoint.weights.sha256,
            known=known,
        )


@contextmanager
def _rival(
    storage: Storage, corpus: Corpus, base: Base, released: Release | None
) -> Iterator[Rival | None]:
    from tasks.evaluation.measuring import Rival

    if released is None or not verify_release(storage, released):
        yield None
        return
    manifest = storage.read_json(f"{released.folder}/{MANIFEST}")
    with storage.folder(released.folder) as folder:
        yield Rival(
            folder,
            same_base=manifest["base"]["revision"] == base.revision,
            trained_on=_trained_on(storage, corpus, manifest["corpus"]),
            digest=_weights_digest(manifest),
        )


def _weights_digest(manifest: dict[str, Any]) -> str:
    files = manifest["files"]
    return next(
        (str(files[name]["sha256"]) for name in (WEIGHTS, ADAPTER_WEIGHTS) if name in files), ""
    )


def _trained_on(storage: Storage, corpus: Corpus, named: dict[str, Any]) -> list[str]:
    """The training texts of the corpus that a release was made from, where it is still there."""
    if "uri" not in named:
        return []  # an older version made the release, and did not record it
    before = FileRef(named["uri"], named["sha256"], named["rows"])
    try:
        return read_corpus(storage, replace(corpus, file=before)).train
    except StorageUnusable as error:
        log.warning("the release's own posts cannot be left out of the comparison: %s", error)
        return []
