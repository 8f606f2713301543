"""The ways in which a batch's loss and gradients are computed, and the choice among them.

All give the same numbers to rounding. A model for which a fast way does not, or fails, is trained
as transformers computes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from tasks.training.compute.chunked_loss import loss_and_gradient, loss_only
from tasks.training.compute.fast_modules import fast
from tasks.training.compute.flat_adamw import Flat
from tasks.training.compute.packed_attention import Layout, laid_out
from tasks.training.data.batches import IGNORED, Batch, pad
from tasks.training.held_out_loss import summed_loss

log = logging.getLogger("huggingtweets")

# A fast way must agree with the plain one to this, relative, in fp32.
AGREED = 1e-3
# What comes of a way that a model is not made for.
UNFIT = (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError)


class Plain:
    """As transformers computes it."""

    def __init__(self, model: Any, flat: Flat) -> None:
        self.model, self.flat = model, flat

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within the block `loss` and `backward` may be called."""
        yield

    @torch.no_grad()
    def loss(self, batch: Batch) -> torch.Tensor:
        """The sum over the batch's scored tokens of their cross-entropy, in fp32, on the device."""
        return summed_loss(self.model, batch, "fp32")

    def backward(self, batch: Batch) -> torch.Tensor:
        """The same, with its gradients added to those in `flat`."""
        loss = summed_loss(self.model, batch, "fp32")
        torch.autograd.backward(loss)
        return loss.detach()


class _Fast(Plain):
    packed: bool
    _is_open = False

    @contextmanager
    def open(self) -> Iterator[None]:
        if self._is_open:  # by the training that this measures
            yield
            return
        with fast(self.model, self.flat, packed=self.packed):
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False

    @torch.no_grad()
    def loss(self, batch: Batch) -> torch.Tensor:
        return loss_only(*self._forward(batch))

    def backward(self, batch: Batch) -> torch.Tensor:
        hidden, head, aims = self._forward(batch)
        with torch.no_grad():
            loss, gradient = loss_and_gradient(hidden.detach(), head, aims)
        torch.autograd.backward(hidden, gradient)
        return loss

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Hidden states, the head's weight, and the token that each hidden state is to say."""
        raise NotImplementedError

    @property
    def _head(self) -> Any:
        head = self.model.get_output_embeddings()
        if head.bias is not None:
            raise ValueError("the head has a bias")
        return head.weight


class Packed(_Fast):
    """Documents after one another in one row, so that no padding is computed: for a CPU."""

    packed = True

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, Any, torch.Tensor]:
        layout = Layout(batch)
        with laid_out(layout):
            hidden = self.model.base_model(
                input_ids=layout.ids, position_ids=layout.positions, use_cache=False
            ).last_hidden_state[0]
        counted = layout.aims != IGNORED
        return hidden[counted], self._head, layout.aims[counted]


class Padded(_Fast):
    """Documents in rows of their own, padded at the right: for a GPU, whose shapes must not vary.

    The attention is causal, so that no mask is needed; SDPA takes its fused kernel.
    """

    packed = False

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, Any, torch.Tensor]:
        device = self.flat.weights.device
        ids, labels = (part.to(device, non_blocking=True) for part in (batch.ids, batch.labels))
        hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        aims = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
        return hidden.flatten(0, 1), self._head, aims.flatten()


def choose_path(model: Any, flat: Flat) -> Plain:
    """The fastest way that agrees with the plain one on a few tokens; the weights are fp32 now."""
    plain = Plain(model, flat)
    faster = (Packed if flat.weights.device.type == "cpu" else Padded)(model, flat)
    expected = _probe(plain)
    try:
        found = _probe(faster)
    except UNFIT as error:
        log.info("%s is trained without the fast layers (%s)", type(model).__name__, error)
        return plain
    if agree(expected, found):
        return faster
    log.info("%s is trained without the fast layers, which change it", type(model).__name__)
    return plain


def agree(expected: Sequence[float], found: Sequence[float], within: float = AGREED) -> bool:
    """Whether all numbers are the same, to so much of each."""
    return all(abs(a - b) <= within * abs(a) for a, b in zip(expected, found, strict=True))


def short_documents(model: Any) -> Batch:
    """A few documents to compare ways by, as good as any."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    return pad([[(7 * n + k) % vocabulary for n in range(k)] for k in (5, 9, 16)])


def _probe(path: Plain) -> tuple[float, float]:
    """The loss of a few documents and its gradient's norm."""
    path.flat.grads.zero_()
    with path.open():
        loss = float(path.backward(short_documents(path.model)))
    norm = float(path.flat.norm())
    path.flat.grads.zero_()
    return loss, norm
