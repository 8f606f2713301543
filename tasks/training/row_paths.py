"""The ways in which the losses of rows are computed, and the choice between them.

A way is taken only if it gives what each document has alone, by the model's own loss. Models differ
in what they do after the head (Granite divides, Gemma 2 bends), and in whether they keep documents
of a row apart (ALiBi, recurrent layers and narrow windows do not).
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Spec
from tasks.training.compute.chunked_loss import loss_and_gradient, loss_only
from tasks.training.compute.loss_paths import UNFIT, Plain, agree, short_documents
from tasks.training.compute.packed_rows import Rows, in_rows, rows_of
from tasks.training.data.batches import IGNORED, Batch, pad, rounded
from tasks.training.data.documents import context_of
from tasks.training.stack import Places, Stack

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tasks.training.engine import Engine

log = logging.getLogger("huggingtweets")

# What is added to weights before ways are compared, times a normal number: as much as weights are
# made of at first, so that each of them counts and no bot has another's.
NOISE = 0.02
# Relative, in fp32. Right ways differed by 1e-6 at most, in SmolLM2-135M and in tiny models of many
# architectures; leaving out a bias of 0.1 on the head made 4e-4.
SAME = 5e-5


class Layers(Protocol):
    """What is trained of each bot: `AdapterLayers` or `StackedLayers`."""

    places: Places
    start: torch.Tensor

    def attached(self, stack: Stack) -> AbstractContextManager[None]: ...  # noqa: D102 - theirs

    def heads(self, stack: Stack) -> list[torch.Tensor]: ...  # noqa: D102 - theirs

    def put(self, numbers: torch.Tensor) -> None: ...  # noqa: D102 - theirs


class RowPath(ABC):
    """A way; the layers must be attached. Rows are as many for each bot, the first bot's first."""

    # Rows of held-out posts that are measured at once, by the device.
    measured_at_once: dict[str, int]

    def __init__(self, model: Any, layers: Layers) -> None:
        self.model, self.layers = model, layers

    @abstractmethod
    def losses(self, rows: Rows, stack: Stack) -> torch.Tensor:
        """The sum of each bot's cross-entropy over its scored tokens, in fp32, on the device."""

    @abstractmethod
    def backward(self, rows: Rows, stack: Stack) -> torch.Tensor:
        """The same, with the gradients added to those in the stack."""


class ByWeight(RowPath):
    """By the head's weight, without ever holding all logits."""

    measured_at_once = {"cpu": 2, "cuda": 16}  # noqa: RUF012 - never changed

    @torch.no_grad()
    def losses(self, rows: Rows, stack: Stack) -> torch.Tensor:  # noqa: D102 - as above
        hidden, heads, aims = self._forward(rows, stack)
        return torch.stack([loss_only(*bot) for bot in zip(hidden, heads, aims, strict=True)])

    def backward(self, rows: Rows, stack: Stack) -> torch.Tensor:  # noqa: D102 - as above
        hidden, heads, aims = self._forward(rows, stack)
        with torch.no_grad():
            of_bots = zip(hidden, heads, aims, strict=True)
            losses, gradients = zip(*(loss_and_gradient(*bot) for bot in of_bots), strict=True)
        torch.autograd.backward(hidden, torch.stack(gradients))
        return torch.stack(losses)

    def _forward(
        self, rows: Rows, stack: Stack
    ) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        """Each bot's hidden states, its head, and the token that each hidden state is to say."""
        heads = self.layers.heads(stack)
        hidden = self.model.base_model(**rows.inputs(stack.weights.dtype)).last_hidden_state
        return (
            hidden.reshape(len(heads), -1, hidden.size(-1)),
            heads,
            rows.aims.view(len(heads), -1),
        )


class ByOwnHead(RowPath):
    """By the logits that the model itself makes of them."""

    measured_at_once = {"cpu": 1, "cuda": 2}  # noqa: RUF012 - never changed

    @torch.no_grad()
    def losses(self, rows: Rows, stack: Stack) -> torch.Tensor:  # noqa: D102 - as above
        return self._forward(rows, stack)

    def backward(self, rows: Rows, stack: Stack) -> torch.Tensor:  # noqa: D102 - as above
        losses = self._forward(rows, stack)
        torch.autograd.backward(losses.sum())
        return losses.detach()

    def _forward(self, rows: Rows, stack: Stack) -> torch.Tensor:
        logits = self.model(**rows.inputs(stack.weights.dtype)).logits.flatten(0, 1).float()
        losses = functional.cross_entropy(
            logits, rows.aims.flatten(), ignore_index=IGNORED, reduction="none"
        )
        return losses.view(stack.shown, -1).sum(1)


_Way = Callable[[Any, Layers], RowPath]
# By what is trained, and in rows of which width.
_known: WeakKeyDictionary[Engine, dict[tuple[type, int], _Way | None]] = WeakKeyDictionary()


def row_path_for(engine: Engine, layers: Layers, spec: Spec) -> RowPath:
    """The way in which bots of this engine are trained.

    It is looked for once; that leaves the engine with the base's weights, computing in fp32.
    Raises BaseUnavailable where no way agrees with the model's own loss.
    """
    context = context_of(engine.model.config.get_text_config(), spec.max_tokens)
    width = rounded(max(spec.batch_tokens, context))
    known = _known.setdefault(engine, {})
    key = (type(layers), width)
    if key not in known:
        known[key] = _agreeing(engine, layers, context, width)
    way = known[key]
    if way is None:
        raise BaseUnavailable(
            f"base {engine.base.id}: documents that share a row have another loss in "
            f"{type(engine.model).__name__} than alone: use mode full, one bot at a time"
        )
    return way(engine.model, layers)


def _agreeing(engine: Engine, layers: Layers, context: int, width: int) -> _Way | None:
    """The first way that agrees, with weights that differ from bot to bot."""
    engine.use("fp32")
    if engine.graphs:
        engine.graphs.clear()  # the weights' memory was another
    engine.restore()
    stack = Stack(layers.start, layers.places, 2, torch.float32)
    noise = torch.Generator(engine.device).manual_seed(0)
    with torch.no_grad():
        stack.master.add_(
            torch.randn(stack.master.shape, generator=noise, device=engine.device), alpha=NOISE
        )
    batches = _probes(engine, context)
    bots = zip(stack.master, batches, strict=True)
    expected = _tried(lambda: [_alone(engine, layers, *bot) for bot in bots])
    rows = rows_of(in_rows(batches, width).ids.to(engine.device))
    with layers.attached(stack):
        for way in (ByWeight, ByOwnHead):
            if agree(expected, _together(way(engine.model, layers), rows, stack), SAME):
                return way
    return None


def _together(path: RowPath, rows: Rows, stack: Stack) -> list[float]:
    return _tried(lambda: path.losses(rows, stack).tolist())


def _tried(compute: Callable[[], list[float]]) -> list[float]:
    """What comes of it; what agrees with nothing where the model is not made for it."""
    try:
        return compute()
    except torch.OutOfMemoryError:
        raise
    except UNFIT as error:
        log.info("documents that share a row are not for this model (%s)", error)
        return [math.nan, math.nan]


def _probes(engine: Engine, context: int) -> tuple[Batch, Batch]:
    """A few short documents, and one as long as there can be."""
    vocabulary = engine.model.get_input_embeddings().weight.shape[0]
    return short_documents(engine.model), pad([[(5 * n + 3) % vocabulary for n in range(context)]])


def _alone(engine: Engine, layers: Layers, numbers: torch.Tensor, batch: Batch) -> float:
    """The model's own loss of documents that do not share a row, with a bot's weights."""
    layers.put(numbers)
    try:
        return float(Plain(engine.model, engine.flat).loss(batch))
    finally:
        engine.restore()
