"""One optimizer step: forward, backward, AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tasks.core.records import Spec
from tasks.training.compute import gpu
from tasks.training.compute.cuda_graphs import StepGraphs, fixed_shape
from tasks.training.compute.fast_loss import PaddedLoss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.compute.micro_batches import MicroBatches
from tasks.training.data.batches import Batch
from tasks.training.first_token_ramp import FirstTokenRamp
from tasks.training.loss import PlainLoss


@dataclass(frozen=True)
class Trainable:
    """What a training changes: all of a base's weights, or an adapter's.

    weights: what is trained, with its gradients. loss: computes both over a batch.
    ramp: of the model. graphs: where whole steps are kept as CUDA graphs, or None.
    """

    model: Any
    weights: FlatWeights
    loss: PlainLoss
    ramp: FirstTokenRamp
    graphs: StepGraphs | None = None


class TrainingStep:
    """Does the steps of one training. No step waits for the device.

    trainable: its loss is open when a step is done. rates: the learning rate of each step.
    """

    def __init__(self, trainable: Trainable, spec: Spec, rates: Sequence[float]) -> None:
        self._loss, self._weights, self._spec = trainable.loss, trainable.weights, spec
        self._device = trainable.weights.weights.device
        self._ramp = trainable.ramp
        self._rates = torch.tensor(list(rates), device=self._device)
        self._micro_batches = MicroBatches()
        self._graphs = trainable.graphs if isinstance(trainable.loss, PaddedLoss) else None

    def __call__(self, batch: Batch, number: int) -> torch.Tensor:
        """Step `number` on the mean over the batch's tokens; returns the summed loss.

        It lies on the device, and the next step may overwrite it.
        """
        rate = self._rates[number]
        scale = torch.full_like(
            rate, 1 / batch.tokens
        )  # the gradients are of the sum, not the mean
        with self._ramp.at(number):
            if self._graphs and not self._micro_batches.needed:
                try:
                    return self._replay(self._graphs, batch, rate, scale)
                except torch.OutOfMemoryError:
                    self._graphs.clear()
                    self._weights.grads.zero_()
                    self._micro_batches.needed = True
            loss = self._micro_batches.backward(
                self._loss.backward, batch, self._weights.grads.zero_
            )
        self._weights.step(rate, scale, self._spec.clip, self._spec.weight_decay)
        return loss

    def prepared(self, batch: Batch) -> Batch:
        """The batch as the device wants it: on a GPU there already, in one of few shapes."""
        if self._graphs:
            batch = fixed_shape(batch)
        return gpu.on_device(batch, self._device)

    def _replay(
        self, graphs: StepGraphs, batch: Batch, rate: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """The same step as a CUDA graph, recorded when its shape first comes."""
        spec = self._spec

        def step(batch: Batch, rate: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
            loss = self._loss.backward(batch)
            self._weights.step(rate, scale, spec.clip, spec.weight_decay)
            return loss

        def warm_up(batch: Batch) -> None:
            self._loss.backward(batch)
            self._weights.grads.zero_()

        # What a recorded step holds beside its inputs.
        fixed = (self._weights.weights.data_ptr(), spec.clip, spec.weight_decay, spec.dropout)
        return graphs.step(fixed, batch, rate, scale, step, warm_up)
