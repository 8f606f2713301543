"""One optimizer step: the batch's gradients, in pieces if memory asks for it, and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from tasks.core.records import Spec
from tasks.training.compute.cuda_graphs import fixed_shape
from tasks.training.compute.loss_paths import Padded
from tasks.training.compute.memory import Pieces
from tasks.training.data.batches import Batch

if TYPE_CHECKING:
    from tasks.training.engine import Engine


class Steps:
    """Does the steps of one training. No step waits for the device.

    engine: its path is open when a step is asked for. rates: the learning rate of each step.
    """

    def __init__(self, engine: Engine, spec: Spec, rates: Sequence[float]) -> None:
        self._path, self._flat, self._spec = engine.path, engine.flat, spec
        self._openings = engine.openings
        self._rates = torch.tensor(list(rates), device=engine.device)
        self._graphs = engine.graphs if isinstance(engine.path, Padded) else None
        self._pieces = Pieces()

    def prepared(self, batch: Batch) -> Batch:
        """The batch as the device wants it: on a GPU there already, in one of few shapes."""
        device = self._flat.weights.device
        if self._graphs:
            batch = fixed_shape(batch)
        if device.type == "cuda":  # pragma: no cover - needs a GPU
            ids, labels = (part.pin_memory() for part in (batch.ids, batch.labels))
            ids, labels = (part.to(device, non_blocking=True) for part in (ids, labels))
            batch = Batch(ids, labels, batch.tokens)
        return batch

    def __call__(self, batch: Batch, number: int) -> torch.Tensor:
        """Step `number` on the mean over the batch's tokens; returns the summed loss.

        It lies on the device, and the next step may overwrite it.
        """
        with self._openings.softened(number):
            return self._step(batch, number)

    def _step(self, batch: Batch, number: int) -> torch.Tensor:
        rate = self._rates[number]
        share = torch.full_like(rate, 1 / batch.tokens)
        if self._graphs and not self._pieces.needed:
            try:
                return self._graphs.step(
                    self._fixed(), batch, rate, share, self._whole, self._warm_up
                )
            except torch.OutOfMemoryError:
                self._graphs.clear()
                self._flat.grads.zero_()
                self._pieces.needed = True
        loss = self._pieces.sum_of(self._path.backward, batch, self._flat.grads.zero_)
        self._update(rate, share)
        return loss

    def _whole(self, batch: Batch, rate: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        loss = self._path.backward(batch)
        self._update(rate, share)
        return loss

    def _warm_up(self, batch: Batch) -> None:
        self._path.backward(batch)
        self._flat.grads.zero_()

    def _update(self, rate: torch.Tensor, share: torch.Tensor) -> None:
        self._flat.step(rate, share, self._spec.clip, self._spec.weight_decay)

    def _fixed(self) -> tuple[Any, ...]:
        """What a graph holds beside its inputs."""
        spec = self._spec
        return (self._flat.weights.data_ptr(), spec.clip, spec.weight_decay, spec.dropout)
