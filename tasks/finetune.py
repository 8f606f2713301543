"""From a corpus to a checkpoint."""

from __future__ import annotations

import threading

from prefect import task
from prefect.runtime import flow_run

from tasks.core.errors import OptedOut
from tasks.core.names import Bot
from tasks.core.records import MANIFEST, Base, Checkpoint, Corpus, Spec
from tasks.core.settings import settings
from tasks.curation.corpus_files import read_corpus
from tasks.operations.checkpoint_keys import RESUME, checkpoint_key, fingerprint_of
from tasks.orchestration.policies import RETRY, cached
from tasks.orchestration.progress import reporter
from tasks.storage import storage_root
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
    """Train, and store the best weights with their manifest.

    An interrupted training of the same is resumed, whichever worker of the storage began it.
    """
    from tasks.training.checkpoint import train_checkpoint
    from tasks.training.resume import Resume

    storage = storage_root()
    texts = read_corpus(storage, corpus)
    fingerprint = fingerprint_of(corpus, base, spec)
    uri = checkpoint_key(bot, fingerprint)
    seconds = settings().checkpoint_seconds
    unfinished = Resume(storage, f"{RESUME}/{bot}/{fingerprint[:16]}", fingerprint, seconds)
    try:
        with storage.new_folder(uri) as folder:
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
                resume=unfinished if seconds else None,
            )
            # An owner may have opted out meanwhile; the draft folder then goes with the error.
            refuse_opted_out(storage, *bot.handles)
    except OptedOut:
        storage.delete(unfinished.key)
        raise
    storage.delete(unfinished.key)
    return checkpoint


def finetune(bot: Bot, corpus: Corpus, base: Base, spec: Spec) -> Checkpoint:
    """The bot's checkpoint, trained again where it has gone."""
    checkpoint = finetune_task(bot, corpus, base, spec)
    if not storage_root().exists(f"{checkpoint.uri}/{MANIFEST}"):
        checkpoint = finetune_task.with_options(refresh_cache=True)(bot, corpus, base, spec)
    return checkpoint
