"""The bot's runs in Weights & Biases."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import task

from tasks.names import Bot
from tasks.records import Base, Checkpoint, Corpus, Evaluation, Spec, TrackedRun
from tasks.settings import settings
from tasks.storage import storage_root


@task(name="track", task_run_name="track @{bot}")
def track(
    bot: Bot,
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    spec: Spec,
) -> TrackedRun:
    """Log both runs; trouble with the service is a warning, never a failure."""
    from tasks.tracking.tracking import track_bot

    storage = storage_root()
    folder = storage.local("wandb") if storage.is_local else Path(tempfile.mkdtemp(prefix="wandb-"))
    return track_bot(
        bot,
        storage_folder=folder,
        corpus=corpus,
        base=base,
        checkpoint=checkpoint,
        evaluation=evaluation,
        spec=spec,
        settings=settings(),
    )
