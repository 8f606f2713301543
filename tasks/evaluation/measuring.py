"""A checkpoint against its base, and against the released version."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError

from tasks.core.errors import HuggingtweetsError
from tasks.core.records import Base, Evaluation, Spec
from tasks.evaluation.predictions import generate_samples
from tasks.generation.release_model import load_release
from tasks.training.adapters import has_adapter
from tasks.training.bases.loading import load_tokenizer
from tasks.training.compute.precision import choose_precision
from tasks.training.data.documents import Document, context_of, encode, scored
from tasks.training.engine import Engine, engine_for
from tasks.training.export import import_weights
from tasks.training.loss import each_loss
from tasks.training.post_losses import PostLosses, weights_name

log = logging.getLogger("huggingtweets")

# Losses over fewer posts than are ever held out say little.
FEWEST_COMPARED = 20


@dataclass(frozen=True)
class Rival:
    """The released version that a checkpoint is compared with.

    folder: its local release. same_base: whether it was trained from the checkpoint's base.
    trained_on: the texts that it was trained on; empty where nobody knows them any more.
    digest: its weights' SHA-256, by which their losses are known; empty to measure them.

    The comparison is over the held-out posts that the rival was not trained on. As a rule these are
    all: the newest posts are held out, so today's are newer than its training posts, or were held
    out from it too. Not so where old posts were imported or new ones deleted in between, and
    therefore its training texts are asked for and left out. It has chosen its best weights on its
    own held-out posts, as the checkpoint has on these.
    """

    folder: Path
    same_base: bool
    trained_on: Sequence[str] = ()
    digest: str = ""

    def unseen(self, texts: Sequence[str]) -> list[str]:
        """Those of the texts that it was not trained on, capitals aside."""
        seen = {text.casefold() for text in self.trained_on}
        return [text for text in texts if text.casefold() not in seen]


def evaluate_bot(  # noqa: PLR0913 - a checkpoint, its posts, and what is known of them
    base: Base,
    checkpoint: Path,
    train: Sequence[str],
    held_out: Sequence[str],
    spec: Spec,
    *,
    seed: int,
    rival: Rival | None = None,
    digest: str = "",
    known: PostLosses | None = None,
) -> Evaluation:
    """Held-out loss of base, bot and rival, what the bot writes, and what of it repeats posts.

    The bot is what was saved in the folder `checkpoint`, in bf16, not what is still in memory.
    digest: the SHA-256 of its weights, by which their losses are known; empty to measure them.
    known: losses that were measured before; new ones are added. Raises BaseUnavailable.
    """
    engine, known = engine_for(base), known or PostLosses()
    with engine.busy:
        base_loss = engine.base_loss(held_out, spec, known)
        import_weights(engine.model, checkpoint)
        written = generate_samples(engine.model, engine.tokenizer, train, seed=seed)
        measured = _Measured(engine, spec, known)
        bot = measured.name_of(checkpoint, digest)
        documents = engine.documents(held_out, spec)
        evaluation = Evaluation(
            base_loss=base_loss,
            bot_loss=engine.known_loss(bot, documents, known),
            held_out_tokens=scored(documents),
            predictions=written.predictions,
            samples=written.samples,
            verbatim=written.verbatim,
            repeated=written.repeated,
        )
        return measured.compared(evaluation, held_out, bot, rival) if rival else evaluation


@dataclass(frozen=True)
class _Measured:
    """What is known of the losses in one evaluation, and how others are measured.

    engine: with the bot's weights in its model until a rival is measured.
    """

    engine: Engine
    spec: Spec
    known: PostLosses

    def name_of(self, folder: Path, digest: str) -> str:
        """The name of the weights that are saved in a folder; empty without their digest."""
        if not digest:
            return ""
        precision = choose_precision(self.spec.precision, self.engine.device)
        of_base = [self.engine.base.revision] if has_adapter(folder) else []
        return weights_name(precision, digest, *of_base)

    def compared(
        self, evaluation: Evaluation, held_out: Sequence[str], bot: str, rival: Rival
    ) -> Evaluation:
        """The same, with the rival's loss and the bot's on the posts that can be compared."""
        texts = rival.unseen(held_out)
        if len(texts) < min(FEWEST_COMPARED, len(held_out)):
            log.warning(
                "the release is not compared: it was trained on posts that are held out now"
            )
            return evaluation
        documents = self.engine.documents(texts, self.spec)
        whole = len(texts) == len(held_out)
        loss = evaluation.bot_loss
        compared_loss = loss if whole else self.engine.known_loss(bot, documents, self.known)
        try:
            nats = self._nats_of(rival, texts)
        except (HuggingtweetsError, OSError, KeyError, RuntimeError, SafetensorError) as error:
            log.warning("the release is not compared: its weights cannot be read (%s)", error)
            return evaluation
        return replace(
            evaluation,
            released_loss=nats / scored(documents),
            compared_loss=compared_loss,
            compared_posts=len(texts),
        )

    def _nats_of(self, rival: Rival, texts: Sequence[str]) -> float:
        """The rival's loss over all the texts together, in nats.

        With another base come other tokens; divided by the bot's number of tokens the two can still
        be compared, since what both are asked for is the same text.
        """
        of_own = self._each_of_own if rival.same_base else self._each_of_other
        return math.fsum(of_own(rival, texts))

    def _each_of_own(self, rival: Rival, texts: Sequence[str]) -> list[float]:
        engine = self.engine

        def measure(documents: Sequence[Document]) -> list[float]:
            engine.restore()  # an adapter is merged into the base's weights
            import_weights(engine.model, rival.folder)
            return engine.loss.each(documents)

        name = self.name_of(rival.folder, rival.digest)
        return self.known.each(name, engine.documents(texts, self.spec), measure)

    def _each_of_other(self, rival: Rival, texts: Sequence[str]) -> list[float]:
        precision = choose_precision(self.spec.precision, self.engine.device)
        model = load_release(rival.folder, self.engine.device, torch.float32)
        context = context_of(model.config.get_text_config(), self.spec.max_tokens)
        return each_loss(model, encode(load_tokenizer(rival.folder), texts, context), precision)
