"""A whole training step as a CUDA graph, kept from bot to bot.

A step of a small model is thousands of small kernels, and a GPU waits for their launches most of
the time; a graph launches them as one. All steps have one shape, so one graph does them all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from tasks.training.compute import gpu
from tasks.training.compute.packed_rows import Bounds

log = logging.getLogger("huggingtweets")

# The widest row that is recorded. A wider one keeps the GPU busy without a graph.
WIDEST = 2048
# Bounds of the first graph. Of ten accounts' steps of 512 tokens none had more than 48 documents,
# and two of 290 one that is longer.
_FIRST_BOUNDS = Bounds(documents=64, tokens=128)

Result = TypeVar("Result")
Replay = Callable[[], None]


class Recorder(Protocol):
    """As `gpu.Recorder`."""

    def may_record(self) -> bool: ...  # noqa: D102 - see there
    def stream(self) -> AbstractContextManager[None]: ...  # noqa: D102
    def check(self, work: Callable[[], object]) -> None: ...  # noqa: D102
    def record(self, work: Callable[[], Result]) -> tuple[Result, Replay]: ...  # noqa: D102


@dataclass(frozen=True)
class Work:
    """What a step does with its rows, learning rate and scale, all on the device.

    backward: sums gradients; returns the loss. update: uses the gradients and clears them.
    clear: clears them only. fixed: all that changes the work but is no input of it.
    """

    backward: Callable[[torch.Tensor], torch.Tensor]
    update: Callable[[torch.Tensor, torch.Tensor], None]
    clear: Callable[[], object]
    fixed: object

    def __call__(self, rows: torch.Tensor, rate: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """The step; returns its loss."""
        loss = self.backward(rows)
        self.update(rate, scale)
        return loss


@dataclass(frozen=True)
class _Recorded:
    """A step's inputs, which every replay reads, its loss, which it writes, and the replay."""

    inputs: tuple[torch.Tensor, ...]
    loss: torch.Tensor
    replay: Replay


class StepGraphs:
    """The recorded step.

    The first step of a kind is done as it is, so that libraries set up what they keep. The second
    is recorded, if its backward pass does not wait for the GPU, and replayed from then on.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder = recorder or gpu.Recorder()
        self._usable = self._recorder.may_record()
        self._kind: object = None
        self._recorded: _Recorded | None = None
        self._bounds = _FIRST_BOUNDS

    def bounds_for(self, needed: Bounds) -> Bounds:
        """Such as hold these and those of all steps before, so that one graph does them all.

        On an H100 a step of SmolLM2-135M takes 0.9 ms more with room for documents of 512 tokens
        than of 128; another graph would take 0.3 s.
        """
        self._bounds = self._bounds.widened(needed)
        return self._bounds

    def clear(self) -> None:
        """Forget the step: weights or gradients lie elsewhere now."""
        self._kind = self._recorded = None

    def step(
        self, work: Work, rows: torch.Tensor, rate: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """`work` on the rows; returns its loss, which the next step overwrites.

        Raises torch.OutOfMemoryError, or AcceleratorError for the same reason.
        """
        kind = (tuple(rows.shape), work.fixed)
        if self._usable and self._kind != kind:
            self.clear()
            with self._recorder.stream():
                loss = work(rows, rate, scale)
            self._kind = kind
            return loss
        if self._usable and self._recorded is None:
            self._record(work, (rows, rate, scale))
        if self._recorded is None:
            return work(rows, rate, scale)
        for inside, given in zip(self._recorded.inputs, (rows, rate, scale), strict=True):
            inside.copy_(given, non_blocking=True)
        self._recorded.replay()
        return self._recorded.loss

    def _record(self, work: Work, given: tuple[torch.Tensor, ...]) -> None:
        rows, rate, scale = inputs = tuple(tensor.clone() for tensor in given)
        try:
            with gpu.same_random_numbers(rows.device):
                self._recorder.check(lambda: work.backward(rows))
                work.clear()
                loss, replay = self._recorder.record(lambda: work(rows, rate, scale))
        except gpu.Synchronizes as reason:
            log.info("training without CUDA graphs: %s", reason)
            work.clear()
            self._usable = False
        else:
            self._recorded = _Recorded(inputs, loss, replay)
