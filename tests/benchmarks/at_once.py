"""Our engine in one process, with all bots of the job trained at once; the process is warm."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.accounts import read_texts
from tests.benchmarks.measured import Job, Measured, Stopwatch, answer, peak_gib, wait_for_gpu
from tests.benchmarks.our_recipe import Reports


def measure(job: Job) -> list[Measured]:
    """All bots of the job in the same steps; each has its share of the time of the training."""
    from transformers.utils import logging

    from tasks.core.records import Base, Spec
    from tasks.training.engine import Engine
    from tasks.training.together import BotTexts, train_together

    logging.disable_progress_bar()
    by_handle = {account.handle: account for account in read_texts(Path(job.texts))}
    engine = Engine(Base(job.base, job.base, "benchmark", "the benchmark's"))
    bots = [
        BotTexts(f"{number} {handle}", by_handle[handle].train, by_handle[handle].held_out)
        for number, handle in enumerate(job.handles)
    ]
    spec = Spec(**job.spec)
    reports: dict[str, Reports] = {bot.name: Reports() for bot in bots}
    trained = train_together(
        engine,
        bots,
        spec,
        at_once=len(bots),
        on_progress=lambda bot, progress: reports[bot](progress),
    )
    print(f"  {len(bots)} bots at once, mode {spec.mode}", file=sys.stderr, flush=True)
    arm = f"at once, {spec.mode}"
    return [
        _row(arm, handle, engine, found, bot, reports[bot.name], job)
        for handle, bot, found in zip(job.handles, bots, trained, strict=True)
    ]


def _row(
    arm: str, handle: str, engine: Any, found: Any, bot: Any, reports: Reports, job: Job
) -> Measured:
    from tasks.core.records import Spec
    from tasks.training.held_out_loss import mean_loss

    watch = Stopwatch(time.time())
    for phase in ("tokenise", "train", "evaluate"):
        watch.seconds[phase] = found.trained.seconds_in[phase]
    _save(engine, found, watch)
    held_out = mean_loss(engine.model, engine.documents(bot.held_out, Spec()), "fp32")
    watch.skip()
    _sample(engine, job.samples, watch)
    return Measured(
        arm,
        handle,
        watch.seconds,
        found.trained.tokens,
        held_out,
        peak_gib(),
        reports.reached,
        found.trained.mfu,
    )


def _save(engine: Any, found: Any, watch: Stopwatch) -> None:
    """Save the bot as a release would have it; its weights are in the engine's model then."""
    from tasks.training.adapters import merge
    from tasks.training.bases.loading import load_tokenizer
    from tasks.training.export import export_adapter, export_model

    tokenizer = load_tokenizer(Path(engine.base.folder))
    engine.restore(found.weights)
    with tempfile.TemporaryDirectory() as folder:
        if found.adapter is None:
            export_model(engine.model, tokenizer, Path(folder))
        else:
            export_adapter(found.adapter, engine.model, tokenizer, "the base", Path(folder))
            merge(engine.model, found.adapter)
        watch.lap("save")


def _sample(engine: Any, samples: int, watch: Stopwatch) -> None:
    from tasks.evaluation.predictions import STARTS
    from tasks.generation.sampling import sample

    sample(engine.model, engine.tokenizer, STARTS, -(-samples // len(STARTS)), seed=0)
    wait_for_gpu()
    watch.lap("samples")


if __name__ == "__main__":
    answer(measure)
