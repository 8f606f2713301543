"""Whole training steps as CUDA graphs, one for each shape of batch, kept from bot to bot.

A step of a small model is thousands of small kernels, and a GPU waits for their launches most of
the time; a graph launches them as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tasks.training.compute import gpu
from tasks.training.data.batches import IGNORED, Batch

# The padded widths that there are. Each shape costs a capture, and memory of its own.
WIDTHS = (16, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024)
# Epochs of three real accounts, of 42 to 835 posts, had 17 shapes, of 1.5 to 1.6 times the tokens.
ROWS = 8
# Passes before a capture, in which libraries set up what they keep.
WARM_UP = 2

Work = Callable[[Batch, torch.Tensor, torch.Tensor], torch.Tensor]
Capture = Callable[[Callable[[], torch.Tensor]], tuple[torch.Tensor, Callable[[], None]]]


def fixed_shape(batch: Batch) -> Batch:
    """The batch in one of few shapes: a width of WIDTHS; 1, 2, 4 rows, or a multiple of ROWS."""
    rows, width = batch.ids.shape
    fitting = [known for known in WIDTHS if known >= width]
    if not fitting:
        return batch
    most = 1 << (rows - 1).bit_length() if rows < ROWS else -(-rows // ROWS) * ROWS
    shape = most, fitting[0]
    ids = torch.zeros(shape, dtype=batch.ids.dtype)
    labels = torch.full(shape, IGNORED, dtype=batch.labels.dtype)
    ids[:rows, :width], labels[:rows, :width] = batch.ids, batch.labels
    return Batch(ids, labels, batch.tokens)


@dataclass(frozen=True)
class _Recorded:
    """A step's inputs, which every replay reads, its loss, which it writes, and the replay."""

    batch: Batch
    rate: torch.Tensor
    scale: torch.Tensor
    loss: torch.Tensor
    replay: Callable[[], None]


class StepGraphs:
    """Steps recorded by their shape and by what else is fixed in them."""

    def __init__(self, capture: Capture | None = None) -> None:
        self._capture = capture or gpu.captured
        self._recorded: dict[object, _Recorded] = {}

    def clear(self) -> None:
        """Forget all: the weights lie elsewhere now."""
        self._recorded.clear()

    def step(
        self,
        fixed: object,
        batch: Batch,
        rate: torch.Tensor,
        scale: torch.Tensor,
        work: Work,
        warm_up: Callable[[Batch], None],
    ) -> torch.Tensor:
        """`work` on the batch, as a graph; returns its loss, which the next step overwrites.

        fixed: whatever changes the work but is no tensor. warm_up: a pass without lasting effect.
        """
        key = (tuple(batch.ids.shape), fixed)
        if key not in self._recorded:
            self._recorded[key] = self._record(batch, rate, scale, work, warm_up)
        found = self._recorded[key]
        for inside, given in (
            (found.batch.ids, batch.ids),
            (found.batch.labels, batch.labels),
            (found.rate, rate),
            (found.scale, scale),
        ):
            inside.copy_(given, non_blocking=True)
        found.replay()
        return found.loss

    def _record(
        self,
        batch: Batch,
        rate: torch.Tensor,
        scale: torch.Tensor,
        work: Work,
        warm_up: Callable[[Batch], None],
    ) -> _Recorded:
        own = Batch(batch.ids.clone(), batch.labels.clone(), batch.tokens)
        own_rate, own_scale = rate.clone(), scale.clone()
        for _ in range(WARM_UP):
            warm_up(own)
        loss, replay = self._capture(lambda: work(own, own_rate, own_scale))
        return _Recorded(own, own_rate, own_scale, loss, replay)
