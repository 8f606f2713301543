"""One trial of a sweep: train a corpus with a spec, keep the figures, throw the weights away."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import task

from tasks.core.names import Bot
from tasks.core.records import Base, Corpus, Spec
from tasks.curation.corpus_files import read_corpus
from tasks.orchestration.limits import bot_place, training_place
from tasks.orchestration.policies import RETRY, cached
from tasks.orchestration.progress import reporter
from tasks.storage import storage_root

FOLDER = "sweeps"


@dataclass(frozen=True)
class Trial:
    """How a spec did on one bot's corpus.

    base_loss, held_out_loss: in nats a token of the held-out posts, before and at best.
    learning_rate: the highest; epochs: run until the best; seconds: of training.
    """

    bot: str
    spec: Spec
    base_loss: float
    held_out_loss: float
    learning_rate: float
    epochs: float
    tokens: int
    seconds: float


@task(name="trial", task_run_name="trial @{bot}", **RETRY, **cached("trial"))
def try_spec(bot: Bot, corpus: Corpus, base: Base, spec: Spec) -> Trial:
    """Train, and return how it went. Raises BaseUnavailable."""
    from tasks.training.engine import engine_for
    from tasks.training.trainer import train

    texts = read_corpus(storage_root(), corpus)
    with bot_place(bot), training_place():
        engine = engine_for(base)
        with engine.busy:
            trained = train(
                engine,
                texts.train,
                texts.held_out,
                spec,
                handles=texts.train_handles,
                on_progress=reporter(bot),
            )
    return Trial(
        bot=bot.name,
        spec=spec,
        base_loss=trained.base_loss,
        held_out_loss=trained.held_out_loss,
        learning_rate=trained.learning_rate,
        epochs=trained.epochs,
        tokens=trained.tokens,
        seconds=trained.seconds,
    )


@task(name="keep trials", **RETRY)
def keep_trials(name: str, rows: list[dict[str, object]]) -> str:
    """Write the table as JSON into the storage; returns its key."""
    key = f"{FOLDER}/{name}.json"
    storage_root().write_json(key, rows)
    return key
