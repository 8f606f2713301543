"""From a corpus to a checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.runtime import flow_run

from tasks.core.errors import OptedOut
from tasks.core.names import Bot
from tasks.core.records import Base, Checkpoint, Corpus, Spec, WarmStart
from tasks.core.settings import settings
from tasks.curation.corpus_files import CorpusTexts, read_corpus, read_posts
from tasks.operations.checkpoint_keys import RESUME, checkpoint_key, fingerprint_of, is_current
from tasks.operations.kept_losses import kept_losses
from tasks.orchestration.policies import RETRY, cached
from tasks.orchestration.progress import reporter
from tasks.storage import Storage, storage_root
from tasks.storage.opt_outs import refuse_opted_out


@task(name="prepare base", task_run_name="base {base_id}", **RETRY)
def prepare_base(base_id: str) -> Base:
    """The base in a local folder. Raises BaseUnavailable, NetworkTrouble."""
    from tasks.training.bases.base_models import resolve_base

    return resolve_base(base_id, settings().cache, endpoint=settings().hub_endpoint)


_prepared: dict[tuple[str, str], Base] = {}
_preparing = threading.Lock()


def base_for(base_id: str) -> Base:
    """The base in a local folder, resolved once in a run: a batch asks again for every bot.

    Raises BaseUnavailable, NetworkTrouble.
    """
    key = (str(flow_run.root_flow_run_id or flow_run.id), base_id)
    with _preparing:
        if key not in _prepared:
            _prepared[key] = prepare_base(base_id)
        return _prepared[key]


@task(name="finetune", task_run_name="finetune @{bot}", **RETRY, **cached("finetune"))
def finetune_task(bot: Bot, corpus: Corpus, base: Base, spec: Spec) -> Checkpoint:
    """Train from the base, and store the best weights with their manifest."""
    return _train(bot, corpus, base, spec, None)


@task(name="warm start", task_run_name="warm start @{bot}", **RETRY, **cached("warm-start"))
def warm_start_task(
    bot: Bot, corpus: Corpus, base: Base, spec: Spec, warm_start: WarmStart
) -> Checkpoint:
    """Train from a release on what is new since, and store the best weights with their manifest."""
    return _train(bot, corpus, base, spec, warm_start)


def _train(
    bot: Bot, corpus: Corpus, base: Base, spec: Spec, warm_start: WarmStart | None
) -> Checkpoint:
    """An interrupted training of the same is resumed, whichever worker of the storage began it."""
    from tasks.training.checkpoint import train_checkpoint
    from tasks.training.resume import Resume

    storage = storage_root()
    texts = _texts(storage, corpus, warm_start)
    fingerprint = fingerprint_of(corpus, base, spec, warm_start)
    uri = checkpoint_key(bot, fingerprint)
    seconds = settings().checkpoint_seconds
    unfinished = Resume(storage, f"{RESUME}/{bot}/{fingerprint[:16]}", fingerprint, seconds)
    try:
        with (
            _parent(storage, warm_start) as parent,
            storage.new_folder(uri) as folder,
            kept_losses(storage, bot) as known,
        ):
            checkpoint = train_checkpoint(
                texts.train,
                texts.held_out,
                texts.train_handles,
                base,
                spec,
                folder,
                fingerprint=fingerprint,
                uri=uri,
                on_progress=reporter(bot),
                parent=parent,
                warm_start=warm_start,
                resume=unfinished if seconds else None,
                known=known,
            )
            # An owner may have opted out meanwhile; the draft folder then goes with the error.
            refuse_opted_out(storage, *bot.handles)
    except OptedOut:
        storage.delete(unfinished.key)
        raise
    storage.delete(unfinished.key)
    return checkpoint


def _texts(storage: Storage, corpus: Corpus, warm_start: WarmStart | None) -> CorpusTexts:
    """What is read: of a warm start the posts alone that its parent was not trained on."""
    if warm_start is None:
        return read_corpus(storage, corpus)
    before = read_posts(storage, replace(corpus, file=warm_start.corpus))
    return read_corpus(storage, corpus, known=before.train)


@contextmanager
def _parent(storage: Storage, warm_start: WarmStart | None) -> Iterator[Path | None]:
    """The folder of the release that training starts from, or None for the base."""
    if warm_start is None:
        yield None
        return
    with storage.folder(warm_start.folder) as folder:
        yield folder


def finetune(
    bot: Bot, corpus: Corpus, base: Base, spec: Spec, warm_start: WarmStart | None = None
) -> Checkpoint:
    """The bot's checkpoint, trained again where a cached one has gone or is of another recipe.

    warm_start: None for the base.
    """
    fingerprint = fingerprint_of(corpus, base, spec, warm_start)
    if warm_start is None:
        return _current(fingerprint, finetune_task, bot, corpus, base, spec)
    return _current(fingerprint, warm_start_task, bot, corpus, base, spec, warm_start)


def _current(fingerprint: str, trained: Task[..., Checkpoint], *inputs: Any) -> Checkpoint:
    checkpoint = trained(*inputs)
    if not is_current(storage_root(), checkpoint, fingerprint):
        checkpoint = trained.with_options(refresh_cache=True)(*inputs)
    return checkpoint
