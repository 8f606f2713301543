"""The bot's runs in Weights & Biases."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import task

from tasks.core.names import Bot
from tasks.core.records import Base, Checkpoint, Corpus, Evaluation, Spec, TrackedRun
from tasks.core.settings import settings
from tasks.curation.corpus_files import read_all_posts
from tasks.lake.posts import read
from tasks.storage import Storage, storage_root
from tasks.tracking.account_runs import SWEEPS
from tasks.tracking.artifact_specs import Tables


@task(name="track", task_run_name="track @{bot}")
def track(
    bot: Bot,
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    spec: Spec,
    *,
    gate: Any = None,
    model_url: str | None = None,
) -> TrackedRun:
    """Log both runs; trouble with the service is a warning, never a failure.

    gate: the record of the verdict, whose figures are logged; model_url: where it will be.
    """
    from tasks.tracking.bot_tracking import track_bot
    from tasks.tracking.run_specs import Training
    from tasks.tracking.wandb_environment import tracking_folder

    storage = storage_root()
    return track_bot(
        Training(bot, corpus, base, checkpoint, evaluation, spec, gate, model_url),
        folder=tracking_folder(storage, settings()),
        read_tables=lambda: _tables(storage, corpus),
        settings=settings(),
    )


@task(name="track sweep")
def track_sweep(name: str, bots: list[str], rows: list[dict[str, Any]]) -> str | None:
    """Log the table of a sweep, and note its page for the cards of its bots.

    Trouble with the service is a warning, never a failure.
    """
    from tasks.tracking.sweep_reports import keep_report
    from tasks.tracking.sweep_runs import track_trials
    from tasks.tracking.wandb_environment import tracking_folder

    storage = storage_root()
    folder = tracking_folder(storage, settings()) / SWEEPS
    url = track_trials(name, rows, folder=folder, settings=settings())
    if url is not None:
        keep_report(storage, bots, name, url)
    return url


def _tables(storage: Storage, corpus: Corpus) -> Tables:
    kept = pq.read_table(pa.BufferReader(storage.read(corpus.file.uri)))
    # Texts are only in the lake; without them the list that curation has left is enough.
    listed = None if settings().wandb_texts else read_all_posts(storage, corpus)
    if listed is None:
        listed = pa.concat_tables([read(storage, handle) for handle in corpus.bot.handles])
    return Tables(listed, kept)
