"""How good a checkpoint is, against its base."""

from __future__ import annotations

from prefect import task

from tasks.curation.writing import read_corpus
from tasks.names import Bot
from tasks.policies import RETRY, cached
from tasks.records import Base, Checkpoint, Corpus, Evaluation, Spec
from tasks.storage import storage_root


@task(name="evaluate", task_run_name="evaluate @{bot}", **RETRY, **cached("evaluate"))
def evaluate(
    bot: Bot, corpus: Corpus, base: Base, checkpoint: Checkpoint, spec: Spec
) -> Evaluation:
    """Held-out loss of base and bot, and the bot's predictions."""
    del bot
    from tasks.evaluation.evaluate import evaluate_bot

    storage = storage_root()
    texts = read_corpus(storage, corpus)
    with storage.folder(checkpoint.uri) as folder:
        return evaluate_bot(base, folder, texts.train, texts.held_out, spec, seed=spec.seed)
