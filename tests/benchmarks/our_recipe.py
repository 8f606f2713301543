"""Our engine in one process: the first bot of it is a cold one, the others are warm."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.accounts import Account, read_texts
from tests.benchmarks.measured import Job, Measured, Stopwatch, answer, peak_gib, wait_for_gpu


class Reports:
    """What a training reports while it runs: when which held-out loss was there, and its speed."""

    def __init__(self) -> None:
        self.begun = time.time()
        self.reached: list[tuple[float, float]] = []
        self.steps = 0.0

    def __call__(self, progress: Any) -> None:
        """Takes a Progress."""
        if progress.tokens_per_second:
            self.steps = progress.done / progress.tokens_per_second
        known = self.reached[-1][1] if self.reached else None
        if progress.held_out is not None and progress.held_out != known:
            self.reached.append((time.time() - self.begun, progress.held_out))


def measure(job: Job) -> list[Measured]:
    """All bots of the job, after one another."""
    watch = Stopwatch(job.started)
    from transformers.utils import logging

    from tasks.core.records import Base, Spec
    from tasks.training.engine import Engine

    logging.disable_progress_bar()
    by_handle = {account.handle: account for account in read_texts(Path(job.texts))}
    watch.lap("start")
    engine = Engine(Base(job.base, job.base, "benchmark", "the benchmark's"))
    watch.lap("load")
    results = []
    for number, handle in enumerate(job.handles):
        spec = Spec(**job.spec, seed=number)
        arm = "ours, warm" if number else "ours, cold"
        results.append(_bot(engine, by_handle[handle], spec, job, watch, arm))
        print(f"  {arm}: {handle} in {results[-1].total:.1f} s", file=sys.stderr, flush=True)
        watch = Stopwatch(time.time())
    return results


def _bot(
    engine: Any, account: Account, spec: Any, job: Job, watch: Stopwatch, arm: str
) -> Measured:
    from tasks.training.loss import mean_loss
    from tasks.training.trainer import train

    engine.documents(account.train + account.held_out, spec)  # `train` does so itself, unseen
    tokenising = watch.lap("tokenise")
    reports = Reports()
    trained = train(engine, account.train, account.held_out, spec, on_progress=reports)
    whole = watch.lap("train")
    # What is not steps in it is evaluation, but for the reading of the texts, counted above.
    watch.seconds["train"] = reports.steps
    watch.seconds["evaluate"] = max(whole - reports.steps - tokenising, 0.0)
    held_out = mean_loss(engine.model, engine.documents(account.held_out, spec), "fp32")
    watch.skip()
    if not job.most_steps:
        _save_and_sample(engine, job.samples, watch)
    mfu = getattr(trained, "mfu", None)
    return Measured(
        arm,
        account.handle,
        watch.seconds,
        trained.tokens,
        held_out,
        peak_gib(),
        reports.reached,
        mfu,
    )


def _save_and_sample(engine: Any, samples: int, watch: Stopwatch) -> None:
    from tasks.evaluation.predictions import STARTS
    from tasks.generation.sampling import sample
    from tasks.training.export import export_model

    with tempfile.TemporaryDirectory() as folder:
        export_model(engine.model, engine.tokenizer_for_bots, Path(folder))
        watch.lap("save")
    watch.skip()  # the removal of the folder
    sample(engine.model, engine.tokenizer, STARTS, -(-samples // len(STARTS)), seed=0)
    wait_for_gpu()
    watch.lap("samples")


if __name__ == "__main__":
    answer(measure)
