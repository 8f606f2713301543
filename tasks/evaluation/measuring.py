"""A checkpoint against its base, and against the released version."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError

from tasks.core.errors import HuggingtweetsError
from tasks.core.records import ADAPTER_WEIGHTS, WEIGHTS, Base, Evaluation, Spec
from tasks.evaluation.predictions import generate_samples
from tasks.generation.release_model import load_release
from tasks.training.adapters import has_adapter
from tasks.training.bases.loading import load_tokenizer
from tasks.training.compute.precision import choose_precision
from tasks.training.data.documents import context_of, encode, scored
from tasks.training.engine import Engine, engine_for
from tasks.training.export import import_weights
from tasks.training.loss import mean_loss

log = logging.getLogger("huggingtweets")

# Losses over fewer posts than are ever held out say little.
FEWEST_COMPARED = 20


@dataclass(frozen=True)
class Rival:
    """The released version that a checkpoint is compared with.

    folder: its local release. same_base: whether it was trained from the checkpoint's base.
    trained_on: the texts that it was trained on; empty where nobody knows them any more.

    The comparison is over the held-out posts that the rival was not trained on. As a rule these are
    all: the newest posts are held out, so today's are newer than its training posts, or were held
    out from it too. Not so where old posts were imported or new ones deleted in between, and
    therefore its training texts are asked for and left out. It has chosen its best weights on its
    own held-out posts, as the checkpoint has on these.
    """

    folder: Path
    same_base: bool
    trained_on: Sequence[str] = ()

    def unseen(self, texts: Sequence[str]) -> list[str]:
        """Those of the texts that it was not trained on, capitals aside."""
        seen = {text.casefold() for text in self.trained_on}
        return [text for text in texts if text.casefold() not in seen]


def evaluate_bot(
    base: Base,
    checkpoint: Path,
    train: Sequence[str],
    held_out: Sequence[str],
    spec: Spec,
    *,
    seed: int,
    rival: Rival | None = None,
) -> Evaluation:
    """Held-out loss of base, bot and rival, what the bot writes, and what of it repeats posts.

    The bot is what was saved in the folder `checkpoint`, in bf16, not what is still in memory.
    Raises BaseUnavailable.
    """
    engine = engine_for(base)
    documents = engine.documents(held_out, spec)
    with engine.busy:
        base_loss = engine.base_loss(held_out, spec)
        import_weights(engine.model, checkpoint)
        written = generate_samples(engine.model, engine.tokenizer, train, seed=seed)
        evaluation = Evaluation(
            base_loss=base_loss,
            bot_loss=engine.mean_loss(documents),
            held_out_tokens=scored(documents),
            predictions=written.predictions,
            samples=written.samples,
            verbatim=written.verbatim,
            repeated=written.repeated,
        )
        return _compared(engine, evaluation, held_out, spec, rival) if rival else evaluation


def _compared(
    engine: Engine, evaluation: Evaluation, held_out: Sequence[str], spec: Spec, rival: Rival
) -> Evaluation:
    """The same, with the rival's loss and the bot's, whose weights are in the engine's model."""
    texts = rival.unseen(held_out)
    if len(texts) < min(FEWEST_COMPARED, len(held_out)):
        log.warning("the release is not compared: it was trained on posts that are held out now")
        return evaluation
    documents = engine.documents(texts, spec)
    whole = len(texts) == len(held_out)
    compared_loss = evaluation.bot_loss if whole else engine.mean_loss(documents)
    try:
        nats = _nats_of(engine, rival, texts, spec)
    except (HuggingtweetsError, OSError, KeyError, RuntimeError, SafetensorError) as error:
        log.warning("the release is not compared: its weights cannot be read (%s)", error)
        return evaluation
    return replace(
        evaluation,
        released_loss=nats / scored(documents),
        compared_loss=compared_loss,
        compared_posts=len(texts),
    )


def _nats_of(engine: Engine, rival: Rival, texts: Sequence[str], spec: Spec) -> float:
    """The rival's loss over all the texts together, in nats.

    With another base come other tokens; divided by the bot's number of tokens the two can still
    be compared, since what both are asked for is the same text.
    """
    if rival.same_base:
        documents = engine.documents(texts, spec)

        def load() -> None:
            engine.restore()  # an adapter is merged into the base's weights
            import_weights(engine.model, rival.folder)

        weights = rival.folder / (ADAPTER_WEIGHTS if has_adapter(rival.folder) else WEIGHTS)
        return engine.loss_of(weights, documents, load) * scored(documents)
    model = load_release(rival.folder, engine.device, torch.float32)
    context = context_of(model.config.get_text_config(), spec.max_tokens)
    documents = encode(load_tokenizer(rival.folder), texts, context)
    precision = choose_precision(spec.precision, engine.device)
    return mean_loss(model, documents, precision) * scored(documents)
