"""One optimizer step: forward, backward, AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tasks.core.records import Spec
from tasks.training.compute.cuda_graphs import WIDEST, StepGraphs, Work
from tasks.training.compute.fast_loss import ROW, RowLoss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.compute.gpu import is_out_of_memory
from tasks.training.compute.micro_batches import MicroBatches
from tasks.training.compute.packed_rows import Bounds
from tasks.training.data.batches import Batch, rounded
from tasks.training.data.documents import context_of
from tasks.training.first_token_ramp import FirstTokenRamp
from tasks.training.loss import PlainLoss


@dataclass(frozen=True)
class Trainable:
    """What a training changes: all of a base's weights, or an adapter's.

    weights: what is trained, with its gradients. loss: computes both over a batch.
    ramp: of the model. graphs: where the step is kept as a CUDA graph, or None.
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
        context = context_of(trainable.model.config.get_text_config(), spec.max_tokens)
        # Holds every batch: of so many tokens, or one document, which the context bounds.
        self._width = rounded(max(ROW, spec.batch_tokens, context))
        self._graphs = trainable.graphs if self._width <= WIDEST else None

    def __call__(self, batch: Batch, number: int) -> torch.Tensor:
        """Step `number` on the mean over the batch's tokens; returns the summed loss.

        It lies on the device, and the next step may overwrite it.
        """
        rate = self._rates[number]
        scale = torch.full_like(
            rate, 1 / batch.tokens
        )  # the gradients are of the sum, not the mean
        with self._ramp.at(number):
            if self._graphs and isinstance(self._loss, RowLoss) and not self._micro_batches.needed:
                try:
                    rows, needed = self._loss.rows(batch, self._width)
                    work = self._work(self._loss, self._graphs.bounds_for(needed))
                    return self._graphs.step(work, rows, rate, scale)
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    self._graphs.clear()
                    self._weights.grads.zero_()
                    self._micro_batches.needed = True
            loss = self._micro_batches.backward(
                self._loss.backward, batch, self._weights.grads.zero_
            )
        self._weights.step(rate, scale, self._spec.clip, self._spec.weight_decay)
        return loss

    def _work(self, loss: RowLoss, bounds: Bounds) -> Work:
        weights, spec = self._weights, self._spec
        return Work(
            lambda rows: loss.backward_of(rows, bounds),
            lambda rate, scale: weights.step(rate, scale, spec.clip, spec.weight_decay),
            weights.grads.zero_,
            (
                bounds,
                weights.weights.data_ptr(),
                weights.grads.data_ptr(),
                weights.weights.dtype,
                spec.clip,
                spec.weight_decay,
                spec.dropout,
            ),
        )
