"""Faster ways to a batch's loss and gradient than the plain one, and the choice among them.

All give the same numbers to rounding. A model for which a fast way does not, or fails, is trained
as transformers computes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from tasks.training.compute.chunked_loss import loss_and_gradient, token_losses
from tasks.training.compute.fast_modules import fast
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.compute.gpu import is_out_of_memory, on_device
from tasks.training.compute.packed_attention import Layout, laid_out
from tasks.training.compute.packed_rows import Bounds, PackedRows, pack
from tasks.training.data.batches import IGNORED, Batch, pad, rounded
from tasks.training.loss import PlainLoss

log = logging.getLogger("huggingtweets")

# A fast way must agree with the plain one to this, relative, in fp32.
AGREED = 1e-3
# Tokens of a GPU's row, unless a document is longer: attention costs its square.
ROW = 512
# What a fast way raises for a model that it was not written for.
UNSUPPORTED = (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError)


class _FastLoss(PlainLoss):
    """base_weights: the base model's own, whatever of it is trained."""

    on_gpu: bool
    _is_open = False

    def __init__(self, model: Any, base_weights: FlatWeights) -> None:
        super().__init__(model)
        self._base_weights = base_weights

    @contextmanager
    def open(self) -> Iterator[None]:
        if self._is_open:  # by the training that this measures
            yield
            return
        with fast(self.model, self._base_weights, on_gpu=self.on_gpu):
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False

    def backward(self, batch: Batch) -> torch.Tensor:
        return self._backward(*self._forward(batch))

    @staticmethod
    def _backward(hidden: torch.Tensor, head: Any, targets: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            loss, gradient = loss_and_gradient(hidden.detach(), head, targets)
        torch.autograd.backward(hidden, gradient)
        return loss

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Hidden states (tokens × size), the head's weight, and the target of each hidden state."""
        raise NotImplementedError

    @property
    def _head(self) -> Any:
        head = self.model.get_output_embeddings()
        if head.bias is not None:
            raise ValueError("the head has a bias")
        return head.weight


class PackedLoss(_FastLoss):
    """Documents after one another in one row, so that no padding is computed: for a CPU."""

    on_gpu = False

    @torch.no_grad()
    def nats(self, batch: Batch) -> torch.Tensor:
        """As `PlainLoss.nats`."""
        document = (batch.labels[:, 1:] != IGNORED).nonzero(as_tuple=True)[0]
        return _of_each(token_losses(*self._forward(batch)), document, len(batch.ids))

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, Any, torch.Tensor]:
        layout = Layout(batch)
        with laid_out(layout):
            hidden = self.model.base_model(
                input_ids=layout.ids, position_ids=layout.positions, use_cache=False
            ).last_hidden_state[0]
        counted = layout.targets != IGNORED
        return hidden[counted], self._head, layout.targets[counted]


class RowLoss(_FastLoss):
    """Documents after one another in rows of fixed width: for a GPU, whose shapes must not vary."""

    on_gpu = True
    evaluation_tokens = 8192

    @torch.no_grad()
    def nats(self, batch: Batch) -> torch.Tensor:
        """As `PlainLoss.nats`."""
        tensor, bounds = self.rows(batch, _width(batch))
        # Padding, which has no loss, counts as the first document's.
        document = tensor[2].flatten().clamp(min=0)
        return _of_each(token_losses(*self._forward_of(tensor, bounds)), document, len(batch.ids))

    def rows(self, batch: Batch, width: int) -> tuple[torch.Tensor, Bounds]:
        """A batch as `backward_of` wants it, on its way to the device; see `pack`."""
        tensor, bounds = pack(batch, width)
        return on_device(tensor, self._base_weights.weights.device), bounds

    def backward_of(self, tensor: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """`backward` of a batch in rows."""
        return self._backward(*self._forward_of(tensor, bounds))

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, Any, torch.Tensor]:
        return self._forward_of(*self.rows(batch, _width(batch)))

    def _forward_of(
        self, tensor: torch.Tensor, bounds: Bounds
    ) -> tuple[torch.Tensor, Any, torch.Tensor]:
        rows = PackedRows(tensor, bounds)
        with laid_out(rows):
            hidden = self.model.base_model(
                input_ids=rows.ids, position_ids=rows.positions, use_cache=False
            ).last_hidden_state[0]
        return hidden, self._head, rows.targets


def _of_each(losses: torch.Tensor, document: torch.Tensor, number: int) -> torch.Tensor:
    """The summed losses of so many documents, from each token's and the document that it is in."""
    return losses.new_zeros(number).index_add_(0, document, losses)


def _width(batch: Batch) -> int:
    """Of the rows that hold a batch that no CUDA graph is for."""
    return max(ROW, rounded(batch.ids.size(1)))


def fastest_loss(
    model: Any, base_weights: FlatWeights, trained: FlatWeights | None = None
) -> PlainLoss:
    """The fastest way that agrees with the plain one on a few tokens; the weights are fp32 now.

    trained: what is trained instead of the base's weights, such as an adapter's.
    """
    weights = trained or base_weights
    plain = PlainLoss(model)
    way = PackedLoss if base_weights.weights.device.type == "cpu" else RowLoss
    faster = way(model, base_weights)
    expected = _probe(plain, weights)
    try:
        found = _probe(faster, weights)
    except UNSUPPORTED as error:
        if isinstance(error, torch.AcceleratorError) or is_out_of_memory(error):
            raise  # of the GPU, not of the model
        log.info("%s is trained without the fast layers (%s)", type(model).__name__, error)
        return plain
    if agree(expected, found):
        return faster
    log.info("%s is trained without the fast layers, which change it", type(model).__name__)
    return plain


def agree(expected: Sequence[float], found: Sequence[float], within: float = AGREED) -> bool:
    """Whether all numbers are the same, to so much of each."""
    return all(abs(a - b) <= within * abs(a) for a, b in zip(expected, found, strict=True))


def _probe(way: PlainLoss, weights: FlatWeights) -> tuple[float, float]:
    """The loss of a few documents and its gradient's norm."""
    vocabulary = way.model.get_input_embeddings().weight.shape[0]
    documents = [[(7 * n + k) % vocabulary for n in range(k)] for k in (5, 9, 16)]
    weights.grads.zero_()
    with way.open():
        loss = float(way.backward(pad(documents)))
    norm = float(weights.norm())
    weights.grads.zero_()
    return loss, norm
