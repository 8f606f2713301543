"""What a training is: from texts to `Trained`, with the best weights in the engine's model."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.core.errors import BaseUnavailable
from tasks.core.records import ADAPTER_WEIGHTS, WEIGHTS, Spec
from tasks.training import adapters
from tasks.training.compute import gpu
from tasks.training.compute.flops import peak_flops, training_flops
from tasks.training.compute.micro_batches import peak_memory
from tasks.training.data.documents import Document, scored
from tasks.training.engine import Engine
from tasks.training.export import export_adapter, export_model, import_weights
from tasks.training.post_losses import PostLosses, weights_name
from tasks.training.resume import Resume, StateWriter
from tasks.training.run import Report, Run
from tasks.training.steps import Trainable

log = logging.getLogger("huggingtweets")

# Writes the best weights into a folder; returns the name of the weights' file.
Export = Callable[[Path], str]


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    base_loss, held_out_loss: before and at best, in nats a token of the held-out posts.
    learning_rate: the highest; epochs, steps, tokens, seconds: run; precision: used.
    history: (tokens trained on, mean training loss since the last, held-out loss) an evaluation.
    nats: the best weights' loss of each held-out document, where that is what was measured.
    tokens_per_second, seconds_in, peak_memory, flops, peak_flops, peak_source, mfu: as in
        `Checkpoint`.
    """

    base_loss: float
    held_out_loss: float
    learning_rate: float
    epochs: float
    steps: int
    tokens: int
    seconds: float
    precision: str
    history: tuple[tuple[int, float, float], ...]
    nats: tuple[float, ...] | None
    tokens_per_second: float
    seconds_in: dict[str, float]
    peak_memory: int
    flops: float
    peak_flops: float | None
    peak_source: str
    mfu: float | None


def train(  # noqa: PLR0913 - as `training`
    engine: Engine,
    texts: Sequence[str],
    held_out: Sequence[str],
    spec: Spec,
    *,
    handles: Sequence[str] | None = None,
    parent: Path | None = None,
    parent_digest: str = "",
    on_progress: Report = lambda _progress: None,
    resume: Resume | None = None,
    known: PostLosses | None = None,
) -> Trained:
    """Train the base on `texts`, stop early by `held_out`, and keep the best weights.

    In `full` mode they stay in the engine's model; an adapter is gone afterwards.
    Parameters and errors are those of `training`.
    """
    with training(
        engine,
        texts,
        held_out,
        spec,
        handles=handles,
        parent=parent,
        parent_digest=parent_digest,
        on_progress=on_progress,
        resume=resume,
        known=known,
    ) as (trained, _):
        return trained


@contextmanager
def training(  # noqa: PLR0913 - what goes in, where it starts, and what is known before
    engine: Engine,
    texts: Sequence[str],
    held_out: Sequence[str],
    spec: Spec,
    *,
    handles: Sequence[str] | None = None,
    parent: Path | None = None,
    parent_digest: str = "",
    on_progress: Report = lambda _progress: None,
    resume: Resume | None = None,
    known: PostLosses | None = None,
) -> Iterator[tuple[Trained, Export]]:
    """Train; within the block the best weights are in the engine's model, and can be exported.

    handles: whose post each training text is, where a bot has several.
    parent: the folder of the model to start from instead of the base, in `full` mode only. Its
        weights are kept where no evaluation is better than they are. parent_digest: of these
        weights, by which their losses are known.
    resume: where an unfinished training is kept, and looked for first.
    known: losses of held-out posts that were measured before; new ones are added.
    Raises BaseUnavailable, also where one post alone does not fit in memory.
    """
    begun = time.monotonic()
    precision = engine.use(spec.precision)
    log.info("training in %s on %s", precision, engine.device.type)
    documents = engine.documents(texts, spec), engine.documents(held_out, spec)
    tokenised = time.monotonic() - begun
    known = known or PostLosses()
    base_loss = engine.base_loss(held_out, spec, known)
    seconds = {"load": engine.seconds_to_load(), "tokenise": tokenised}
    evaluated = time.monotonic() - begun - tokenised
    with _trainable(engine, spec) as (trainable, export):
        torch.manual_seed(spec.seed)
        trainable.weights.begin()
        states = StateWriter(resume) if resume else None
        owners = handles or [""] * len(texts)
        run = Run(trainable, *documents, spec, owners, base_loss=base_loss, states=states)
        if parent is not None:
            name = weights_name(precision, parent_digest) if parent_digest else ""
            _start_from(run, engine, parent, name, known)
        run.seconds["evaluate"] += evaluated
        _search(run, engine, states, on_progress)
        seconds |= {**run.seconds, "keep": states.seconds if states else 0.0}
        yield _trained(run, engine, base_loss, precision, seconds, documents[0]), export


def _start_from(run: Run, engine: Engine, parent: Path, name: str, known: PostLosses) -> None:
    """Put the parent's weights in the place of the base's, and take them for the best so far."""
    begun = time.monotonic()
    import_weights(engine.model, parent)
    engine.restore(engine.weights.weights)  # the master too
    run.start_from(known.each(name, run.held_out, engine.loss.each))
    run.seconds["evaluate"] += time.monotonic() - begun


@contextmanager
def _trainable(engine: Engine, spec: Spec) -> Iterator[tuple[Trainable, Export]]:
    if spec.mode == "adapter":
        with adapters.adapter_on(engine, spec.adapter_rank, spec.seed) as (adapted, trainable):

            def export(folder: Path) -> str:
                trainable.weights.use(torch.bfloat16)  # as whole models are saved
                export_adapter(adapted, engine.tokenizer_for_bots, folder)
                return ADAPTER_WEIGHTS

            yield trainable, export
    else:

        def export(folder: Path) -> str:
            export_model(engine.model, engine.tokenizer_for_bots, folder)
            return WEIGHTS

        yield engine.trainable, export


def _search(run: Run, engine: Engine, states: StateWriter | None, on_progress: Report) -> None:
    gpu.reset_peak_memory(engine.device)
    try:
        with run.trainable.loss.open():
            run.search(on_progress)
    except RuntimeError as error:
        if not gpu.is_out_of_memory(error):
            raise
        # Whoever keeps the error would keep the tensors of all that was under way.
        traceback.clear_frames(error.__traceback__)
        raise BaseUnavailable(
            f"base {engine.base.id}: one post alone does not fit in memory; choose a smaller "
            f"base, or cut posts at fewer than {run.spec.max_tokens} tokens"
        ) from error
    finally:
        if states:
            states.close()


def _trained(
    run: Run,
    engine: Engine,
    base_loss: float,
    precision: str,
    seconds: dict[str, float],
    documents: Sequence[Document],
) -> Trained:
    epoch = training_flops(
        engine.model,
        [len(document) for document in documents],
        frozen=run.spec.mode == "adapter",
    )
    flops = epoch * run.tokens / max(scored(documents), 1)
    peak, source = peak_flops(engine.device, precision)
    return Trained(
        base_loss=base_loss,
        held_out_loss=run.best_loss,
        learning_rate=run.rate,
        epochs=run.spec.epochs * run.steps / run.steps_scheduled,
        steps=run.steps,
        tokens=run.tokens,
        seconds=sum(seconds[name] for name in ("train", "evaluate", "keep")),
        precision=precision,
        history=tuple(run.history),
        nats=tuple(run.best_nats) if run.best_nats and run.spec.mode == "full" else None,
        tokens_per_second=run.tokens / max(seconds["train"], 1e-9),
        seconds_in=seconds,
        peak_memory=peak_memory(engine.device),
        flops=flops,
        peak_flops=peak,
        peak_source=source,
        mfu=flops / seconds["train"] / peak if peak and seconds["train"] else None,
    )
