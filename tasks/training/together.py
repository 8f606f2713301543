"""Several bots in the same steps, each as it would be alone: a small corpus leaves a GPU idle.

A step computes a batch of every bot, in a row of its own: as adapters over one shared base, or as
stacked weights. Each bot has its own batches, learning rates, loss, clipping, early stop and best
weights; one that has ended leaves the steps. So each ends where it would alone, to rounding.
In fp32 that was 0.2 % of the held-out loss at most. In bf16 all weights trained for 11 and 7 steps
on two real accounts came out 2.0 % better and 0.6 % worse: its gradients differ that much.

Where it pays: a GPU, which waits for the launches of a small model's many kernels; not measured
yet, so measure before relying on it. A CPU is busy with one bot already, and there bots are trained
one after another unless asked otherwise. Measured with `python -m tests.benchmarks.together
--posts 60` (SmolLM2-135M, bf16, two shared cores, 512 tokens a step): adapters of 2 bots at once
trained 0.67 to 1.10 times as fast as one after another, of 4 bots 0.58 to 1.57, of 8 bots 1.17,
which is the noise of the machine, for 12 GiB instead of 4. All weights of 2 bots: 0.35 to 0.94.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from tasks.core.errors import BadInput, BaseUnavailable
from tasks.core.records import Spec
from tasks.training.adapters import Adapter, AdapterLayers
from tasks.training.compute.flops import peak_flops, training_flops
from tasks.training.compute.memory import peak_memory
from tasks.training.engine import Engine, Report, Trained
from tasks.training.group import Group, Told
from tasks.training.member import BotTexts, Member
from tasks.training.resume import Resume
from tasks.training.row_paths import RowPath, row_path_for
from tasks.training.stacked import StackedLayers

log = logging.getLogger("huggingtweets")

# Bots in a step on a GPU.
AT_ONCE = 8
# `train_bot`, or what trains a bot in its place.
Trainer = Callable[..., tuple[Trained, Adapter | None]]


@dataclass(frozen=True)
class TrainedBot:
    """What came of one bot.

    weights: in `full` mode its best, as `Engine.restore` takes them; None: the base's own.
    adapter: in `adapter` mode its best, on the CPU; it is merged into the base's weights by
    `adapters.merge`, and saved by `exporting.export_adapter`.
    """

    name: str
    trained: Trained
    weights: torch.Tensor | None = None
    adapter: Adapter | None = None


def train_together(
    engine: Engine,
    bots: Sequence[BotTexts],
    spec: Spec,
    *,
    at_once: int | None = None,
    on_progress: Told = lambda _bot, _progress: None,
) -> list[TrainedBot]:
    """Train the base into each of the bots, `at_once` in a step; fewer where memory runs out.

    at_once: None for what pays here: 8 on a GPU, 1 on a CPU. Bots of about equal size go together,
    so that few seats are empty. The results are in the order of `bots`.
    Where all weights of a base cannot be trained for several bots, they are trained one after
    another. Raises BadInput for `at_once` below one, BaseUnavailable for a base that no adapter can
    be trained for, or where one post alone does not fit in memory.
    """
    if at_once is None:
        at_once = AT_ONCE if engine.device.type == "cuda" else 1
    if at_once < 1:
        raise BadInput(f"bots are trained 1 or more at once, not {at_once}")
    order = sorted(range(len(bots)), key=lambda number: -sum(map(len, bots[number].train)))
    results: dict[int, TrainedBot] = {}
    with engine.busy:
        while order:
            numbers = order[:at_once]
            found = _try(engine, [bots[number] for number in numbers], spec, on_progress)
            if found is None:
                at_once = -(-len(numbers) // 2)
                log.warning("out of memory with %d bots at once; trying %d", len(numbers), at_once)
                continue
            results.update(zip(numbers, found, strict=True))
            order = order[at_once:]
    return [results[number] for number in range(len(bots))]


def train_bot(
    engine: Engine,
    train: Sequence[str],
    held_out: Sequence[str],
    spec: Spec,
    *,
    handles: Sequence[str] | None = None,
    on_progress: Report = lambda _progress: None,
    resume: Resume | None = None,
) -> tuple[Trained, Adapter | None]:
    """Train one bot in the mode that `spec` asks for: `Engine.train`, or an adapter by itself.

    An adapter is returned; the engine's model has the base's weights then. Nothing of its training
    is kept to go on with. Raises BaseUnavailable.
    """
    if spec.mode == "full":
        return engine.train(
            train, held_out, spec, handles=handles, on_progress=on_progress, resume=resume
        ), None
    bot = BotTexts(engine.base.id, train, held_out, handles)
    (found,) = train_together(
        engine, [bot], spec, on_progress=lambda _bot, progress: on_progress(progress)
    )
    return found.trained, found.adapter


def _try(
    engine: Engine, bots: Sequence[BotTexts], spec: Spec, told: Told
) -> list[TrainedBot] | None:
    """The bots, or None where they do not fit in memory together."""
    train = _adapters if spec.mode == "adapter" else _weights
    try:
        return train(engine, bots, spec, told)
    except torch.OutOfMemoryError as error:
        if len(bots) == 1:
            raise BaseUnavailable(
                f"base {engine.base.id}: one post alone does not fit in memory; choose a smaller "
                f"base, or cut posts at fewer than {spec.max_tokens} tokens"
            ) from error
    # Here the exception is gone, and with it the tensors of the step that failed.
    torch.cuda.empty_cache()
    return None


def _adapters(engine: Engine, bots: Sequence[BotTexts], spec: Spec, told: Told) -> list[TrainedBot]:
    layers = AdapterLayers(engine.model, spec.adapter_rank, spec.seed)
    path = row_path_for(engine, layers, spec)
    members, finished = _prepared(engine, bots, spec)
    Group(engine, path, members, spec, told).train()
    # The base's own part has no gradient by its weights, so that a third of the work is not done.
    additions = 6 * layers.start.numel()
    results = []
    for member in members:
        best = layers.start if member.best is None else member.best
        flops = _flops(engine, member) * 2 / 3 + additions * member.tokens
        trained = finished(member, flops)
        results.append(TrainedBot(member.bot.name, trained, adapter=layers.adapter(best.cpu())))
    return results


def _weights(engine: Engine, bots: Sequence[BotTexts], spec: Spec, told: Told) -> list[TrainedBot]:
    path = _stacked(engine, spec) if len(bots) > 1 else None
    if path is None:
        return [_alone(engine, bot, spec, partial(told, bot.name)) for bot in bots]
    members, finished = _prepared(engine, bots, spec)
    Group(engine, path, members, spec, told).train()
    return [
        TrainedBot(member.bot.name, finished(member, _flops(engine, member)), member.best)
        for member in members
    ]


def _stacked(engine: Engine, spec: Spec) -> RowPath | None:
    """How all weights of several bots are trained in a step; None for a base that cannot be."""
    try:
        return row_path_for(engine, StackedLayers(engine.model, engine.flat), spec)
    except BaseUnavailable as error:
        log.info("bots are trained one after another: %s", error)
        return None


def _alone(engine: Engine, bot: BotTexts, spec: Spec, report: Report) -> TrainedBot:
    trained = engine.train(bot.train, bot.held_out, spec, handles=bot.handles, on_progress=report)
    return TrainedBot(bot.name, trained, engine.copy_weights())


def _prepared(
    engine: Engine, bots: Sequence[BotTexts], spec: Spec
) -> tuple[list[Member], Callable[[Member, float], Trained]]:
    """The bots before their first step, and what makes a result of one after its last."""
    torch.manual_seed(spec.seed)
    precision = engine.use(spec.precision)
    log.info("training %d at once in %s on %s", len(bots), precision, engine.device.type)
    begun = time.monotonic()
    tokenised = [
        (engine.documents(b.train, spec), engine.documents(b.held_out, spec)) for b in bots
    ]
    read = time.monotonic()
    members = [
        Member(number, bot, *documents, spec, engine.base_loss(bot.held_out, spec))
        for number, (bot, documents) in enumerate(zip(bots, tokenised, strict=True))
    ]
    engine.restore()
    if engine.device.type == "cuda":  # pragma: no cover - needs a GPU
        torch.cuda.reset_peak_memory_stats(engine.device)
    each = {"tokenise": (read - begun), "evaluate": time.monotonic() - read}
    each = {phase: seconds / len(bots) for phase, seconds in each.items()}
    return members, lambda member, flops: _trained(engine, member, precision, flops, each)


def _flops(engine: Engine, member: Member) -> float:
    """Of training all weights on what the member was trained on."""
    epoch = training_flops(engine.model, member.lengths)
    return epoch * member.tokens / max(sum(member.lengths) - len(member.lengths), 1)


def _trained(
    engine: Engine, member: Member, precision: str, flops: float, each: dict[str, float]
) -> Trained:
    train = member.seconds["train"]
    evaluate = member.seconds["evaluate"] + each["evaluate"]
    peak, source = peak_flops(engine.device, precision)
    return Trained(
        base_loss=member.base_loss,
        held_out_loss=member.best_loss,
        learning_rate=member.rate,
        epochs=member.spec.epochs * member.steps / len(member.batches),
        steps=member.steps,
        tokens=member.tokens,
        seconds=train + evaluate,
        precision=precision,
        history=tuple(member.history),
        tokens_per_second=member.tokens / max(train, 1e-9),
        seconds_in={
            "load": 0.0,
            "tokenise": each["tokenise"],
            "train": train,
            "evaluate": evaluate,
            "keep": 0.0,
        },
        peak_memory=peak_memory(engine.device),
        flops=flops,
        peak_flops=peak,
        peak_source=source,
        mfu=flops / train / peak if peak and train else None,
    )
