"""A checkpoint against its base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.evaluation.predictions import predict
from tasks.records import Base, Evaluation, Spec
from tasks.training.documents import scored
from tasks.training.engine import engine_for
from tasks.training.exporting import import_weights
from tasks.training.losses import mean_loss
from tasks.training.precision import choose_precision


def evaluate_bot(
    base: Base,
    checkpoint: Path,
    train: Sequence[str],
    held_out: Sequence[str],
    spec: Spec,
    *,
    seed: int,
) -> Evaluation:
    """Held-out loss of base and bot over the same tokens, and the bot's predictions.

    The bot is what was saved in the folder `checkpoint`, in bf16, not what is still in memory.
    Raises BaseUnavailable.
    """
    engine = engine_for(base)
    documents = engine.documents(held_out, spec)
    precision = choose_precision(spec.precision, engine.device)
    with engine.busy:
        base_loss = engine.base_loss(held_out, spec)
        import_weights(engine.model, checkpoint)
        return Evaluation(
            base_loss=base_loss,
            bot_loss=mean_loss(engine.model, documents, precision),
            held_out_tokens=scored(documents),
            predictions=predict(engine.model, engine.tokenizer, train, seed=seed),
        )
