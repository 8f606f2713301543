"""The loss of posts, in nats a token, each post alone; and its gradient, the plain way.

`compute.fast_loss` has faster ways to the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from tasks.core import interruption
from tasks.training.data.batches import IGNORED, Batch, batches_of
from tasks.training.data.documents import Document, scored

# Of an evaluation's batches. Larger ones gain nothing on a CPU and cost memory for the logits.
EVALUATION_TOKENS = 1024


def summed_loss(model: Any, batch: Batch, precision: str) -> torch.Tensor:
    """The sum over the batch's scored tokens of their cross-entropy, in fp32."""
    return document_losses(model, batch, precision).sum()


def document_losses(model: Any, batch: Batch, precision: str) -> torch.Tensor:
    """The summed cross-entropy of each document's scored tokens, in fp32.

    The attention is causal and padding stands at the right, so that no mask is needed: a token
    sees the tokens before it in its own document, and nothing else.
    """
    device = next(model.parameters()).device
    ids, labels = batch.ids.to(device), batch.labels.to(device)
    bf16 = precision == "bf16" and next(model.parameters()).dtype is torch.float32
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        logits = model(input_ids=ids, use_cache=False).logits
    losses = functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.size(-1)).float(),
        labels[:, 1:].reshape(-1),
        ignore_index=IGNORED,
        reduction="none",
    )
    return losses.view(len(ids), -1).sum(1)


def mean_loss(model: Any, documents: Sequence[Document], precision: str) -> float:
    """Nats a token over all documents, each token counted once, closing mark included."""
    return mean_of(each_loss(model, documents, precision), documents)


@torch.no_grad()
def each_loss(model: Any, documents: Sequence[Document], precision: str) -> list[float]:
    """The loss of each document, in nats over its scored tokens."""
    batches = batches_of(documents, EVALUATION_TOKENS)
    return _in_order(documents, [document_losses(model, batch, precision) for batch in batches])


def mean_of(nats: Iterable[float], documents: Sequence[Document]) -> float:
    """The loss of all documents together, in nats a token, from that of each."""
    return math.fsum(nats) / scored(documents)


def _in_order(documents: Sequence[Document], losses: Sequence[torch.Tensor]) -> list[float]:
    """The losses of batches of documents, whose order is by length, in the documents' order."""
    by_length = sorted(range(len(documents)), key=lambda number: len(documents[number]))
    nats = [0.0] * len(documents)
    for number, loss in zip(by_length, torch.cat(list(losses)).tolist(), strict=True):
        nats[number] = loss
    return nats


class PlainLoss:
    """The loss and its gradient as transformers computes them."""

    evaluation_tokens = EVALUATION_TOKENS

    def __init__(self, model: Any) -> None:
        self.model = model

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within the block `loss`, `backward` and `mean` may be called."""
        yield

    @torch.no_grad()
    def nats(self, batch: Batch) -> torch.Tensor:
        """The summed cross-entropy of each document's scored tokens, in fp32, on the device."""
        return document_losses(self.model, batch, "fp32")

    def backward(self, batch: Batch) -> torch.Tensor:
        """The same, with its gradients added to those of the weights that are trained."""
        loss = summed_loss(self.model, batch, "fp32")
        torch.autograd.backward(loss)
        return loss.detach()

    def mean(self, documents: Sequence[Document]) -> float:
        """The loss of the weights as they are now, in nats a token over all documents.

        Raises Interrupted.
        """
        return mean_of(self.each(documents), documents)

    def each(self, documents: Sequence[Document]) -> list[float]:
        """The loss of each document, in nats over its scored tokens. Raises Interrupted."""
        with self.open():
            batches = batches_of(documents, self.evaluation_tokens)
            return _in_order(documents, [self._checked(batch) for batch in batches])

    def _checked(self, batch: Batch) -> torch.Tensor:
        interruption.check()
        return self.nats(batch)
