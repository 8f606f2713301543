"""What one bot cost, and the processes in which it is measured."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PHASES = ("start", "load", "tokenise", "train", "evaluate", "save", "samples")


@dataclass
class Job:
    """What a process is to do.

    base: a folder. texts: a file of `accounts.write_texts`. handles: the bots, in their order.
    samples: posts to write in the end. precision: of the peer's Trainer.
    most_steps: optimizer steps at most, 0 for all; then only the speed is of interest.
    spec: fields of ours. started: when the process was asked for, by the clock on the wall.
    """

    base: str
    texts: str
    handles: list[str]
    samples: int = 100
    precision: str = "fp32"
    most_steps: int = 0
    spec: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0


@dataclass
class Measured:
    """What one bot cost.

    seconds: by phase. tokens: trained on. held_out: nats a token, fp32, each post alone.
    reached: (seconds since the training began, held-out loss) at each of our evaluations.
    peak: GiB of the process, or of the GPU. mfu: share of the machine's FLOP/s, where known.
    """

    arm: str
    account: str
    seconds: dict[str, float]
    tokens: int
    held_out: float
    peak: float
    reached: list[tuple[float, float]] = field(default_factory=list)
    mfu: float | None = None

    @property
    def total(self) -> float:
        """Seconds of the whole bot."""
        return sum(self.seconds.values())

    @property
    def speed(self) -> float:
        """Tokens a second in the training steps."""
        return self.tokens / max(self.seconds["train"], 1e-9)


class Stopwatch:
    """Seconds by phase, since a moment that may lie before this process."""

    def __init__(self, started: float) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._last = started

    def lap(self, phase: str) -> float:
        """Everything since the last lap was this phase."""
        wait_for_gpu()
        now = time.time()
        passed, self._last = now - self._last, now
        self.seconds[phase] += passed
        return passed

    def skip(self) -> None:
        """Everything since the last lap was for the benchmark, and no part of the bot."""
        wait_for_gpu()
        self._last = time.time()


def wait_for_gpu() -> None:
    """What was asked of a GPU is done; else its time would be the next phase's."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_gib() -> float:
    """Of this process, or of the GPU where there is one."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_a_process(module: str, job: Job) -> list[Measured]:
    """Do the job in a fresh process of `tests.benchmarks.<module>`."""
    with tempfile.TemporaryDirectory() as temporary:
        asked, answered = Path(temporary) / "job.json", Path(temporary) / "measured.json"
        job.started = time.time()
        asked.write_text(json.dumps(asdict(job)))
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", str(asked), str(answered)]
        subprocess.run(command, check=True)
        return [Measured(**row) for row in json.loads(answered.read_text())]


def answer(measure: Any) -> None:
    """The other side of `in_a_process`: read the job, measure, and write what came out."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    rows = [asdict(row) for row in measure(job)]
    Path(sys.argv[2]).write_text(json.dumps(rows))
