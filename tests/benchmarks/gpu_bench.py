"""What the checks of a GPU work with: bases of random weights, engines, memory, and posts.

Dry, all of it is tiny and on the CPU, with a stand-in for what records CUDA graphs.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.sample_posts import sentence

if TYPE_CHECKING:  # a machine without torch is to get a message
    from tasks.core.records import Base, Spec
    from tasks.training.compute.cuda_graphs import StepGraphs
    from tasks.training.engine import Engine

ROOT = Path(__file__).parents[2]
ARCHITECTURES = ("llama", "gpt2")


class Failed(Exception):
    """A check's criterion is not met; the message is what was measured."""


def require(met: bool, measured: str) -> str:
    """What was measured. Raises Failed where the criterion is not met."""
    if not met:
        raise Failed(measured)
    return measured


class Bench:
    """Where checks find what they need.

    folder: where bases are kept for other processes of the same run.
    """

    def __init__(self, folder: Path, *, dry: bool) -> None:
        import torch

        self.folder, self.dry = folder, dry
        self.device = torch.device("cpu" if dry else "cuda")
        self.types = {"fp32": 1e-4} if dry else {"fp32": 1e-4, "bf16": 2e-2}
        if not dry and not torch.cuda.is_bf16_supported(including_emulation=False):
            del self.types["bf16"]

    def base(self, architecture: str, *, tiny: bool = False) -> Base:
        """A base of random weights, made once for all processes."""
        from tasks.core.records import Base
        from tests.tiny import make_tiny_base

        tiny = tiny or self.dry
        folder = self.folder / f"{architecture}-{'tiny' if tiny else 'real'}"
        if not (folder / "config.json").exists():
            (make_tiny_base if tiny else _make_base)(folder, architecture)
        return Base(str(folder), str(folder), "benchmark", "random weights")

    def engine(self, architecture: str = "llama", *, tiny: bool = False) -> Engine:
        """A new engine; dry, it trains as on a GPU."""
        from tasks.training.engine import Engine

        return self.as_on_a_gpu(Engine(self.base(architecture, tiny=tiny), self.device))

    def as_on_a_gpu(self, engine: Engine) -> Engine:
        """The engine; dry, with rows and a stand-in for graphs."""
        from tasks.training.compute.fast_loss import RowLoss

        if self.dry:
            engine.loss = RowLoss(engine.model, engine.weights)
            engine.graphs, _ = self.graphs()
        if not isinstance(engine.loss, RowLoss):
            raise Failed("the fast layers do not agree with the plain ones on this device")
        return engine

    def graphs(self) -> tuple[StepGraphs, Any]:
        """Graphs of their own, and their recorder, which counts its `captures`."""
        from tasks.training.compute import gpu
        from tasks.training.compute.cuda_graphs import StepGraphs
        from tests.tasks.training.recording import FakeRecorder

        class Counting(gpu.Recorder):
            captures = 0

            def record(self, work: Any) -> Any:
                self.captures += 1
                return super().record(work)

        recorder: Any = FakeRecorder() if self.dry else Counting()
        return StepGraphs(recorder), recorder

    def spec(self, **changes: Any) -> Spec:
        """Defaults in fp32; dry, with steps small enough to be several."""
        from tasks.core.records import Spec

        small: dict[str, Any] = {}
        if self.dry:
            small = {"batch_tokens": 128, "epochs": 1, "evaluations": 1}
        return Spec(**{"precision": "fp32", "learning_rate": 1e-4, **small, **changes})

    def posts(self, number: int, seed: int = 0) -> list[str]:
        """Made-up posts of about 30 tokens; dry, few of them."""
        draw = random.Random(seed)
        number = max(number // 25, 10) if self.dry else number
        return [
            f"{sentence(draw)} and {sentence(draw)}, {sentence(draw)} {n}" for n in range(number)
        ]

    def strict(self) -> AbstractContextManager[None]:
        """Within the block whatever waits for the GPU raises."""
        return contextlib.nullcontext() if self.dry else _strict()

    def wait(self) -> None:
        """Until the GPU has done what it was asked."""
        import torch

        if not self.dry:
            torch.cuda.synchronize()

    def memory(self) -> int:
        """Bytes of the GPU's memory that hold tensors; dry, none."""
        import torch

        return 0 if self.dry else int(torch.cuda.memory_allocated())


@contextmanager
def _strict() -> Iterator[None]:
    import torch

    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _make_base(folder: Path, architecture: str) -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    from tasks.training.bases.smollm2 import SMOLLM2_135M
    from tests.tiny import make_tiny_tokenizer

    torch.manual_seed(0)
    model: Any
    if architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SMOLLM2_135M, bos_token_id=0, eos_token_id=0))
    else:
        model = GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0))
    make_tiny_tokenizer().save_pretrained(folder)
    model.save_pretrained(folder)


class Steps:
    """Steps of one training, one by one; `graphs` None does them without."""

    def __init__(
        self, engine: Engine, graphs: StepGraphs | None, spec: Spec, posts: Sequence[str]
    ) -> None:
        import torch

        from tasks.training.data.batches import epoch
        from tasks.training.steps import Trainable, TrainingStep

        engine.use(spec.precision)
        engine.restore()
        torch.manual_seed(spec.seed)
        trainable = Trainable(engine.model, engine.weights, engine.loss, engine.ramp, graphs)
        trainable.weights.begin()
        self._engine, self._spec = engine, spec
        self.batches = epoch(engine.documents(posts, spec), spec.batch_tokens, 0)
        rate = spec.learning_rate or 0.0
        self._step = TrainingStep(trainable, spec, [rate] * 1000)
        self.number = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within the block steps may be done."""
        from tasks.training.dropout import dropping

        with self._engine.loss.open(), dropping(self._engine.model, self._spec.dropout):
            yield

    def step(self, batch: int | None = None) -> Any:
        """The next step, on the next batch or on this one; returns its loss, on the device."""
        batch = self.number if batch is None else batch
        loss = self._step(self.batches[batch % len(self.batches)], self.number)
        self.number += 1
        return loss

    def losses(self, number: int) -> list[float]:
        """Those of so many steps, in nats a token."""
        found = []
        with self.open():
            for _ in range(number):
                tokens = self.batches[self.number % len(self.batches)].tokens
                found.append(float(self.step()) / tokens)
        return found


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The greatest difference, relative."""
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in zip(one, other, strict=True))
