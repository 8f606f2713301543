"""The engine: one base in memory, loaded once, and many bots trained after one another.

torch, transformers, peft and safetensors are all that it needs.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Base, Spec
from tasks.training.bases.loading import check_causal, load_model, load_tokenizer
from tasks.training.compute import gpu
from tasks.training.compute.cuda_graphs import StepGraphs
from tasks.training.compute.fast_loss import fastest_loss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.compute.micro_batches import keep_freed_memory
from tasks.training.compute.precision import choose_precision
from tasks.training.data.documents import Document, check_vocabulary, context_of, encode
from tasks.training.first_token_ramp import FirstTokenRamp
from tasks.training.loss import mean_of
from tasks.training.post_losses import PostLosses, weights_name
from tasks.training.steps import Trainable

log = logging.getLogger("huggingtweets")

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class Engine:
    """A base in memory, ready to be trained into one bot after another.

    busy: held by whoever needs the weights to stay as they are, since all share them.
    model: transformers' own; its parameters are views of `weights`, in the type of the last spec's
    precision.
    """

    def __init__(self, base: Base, device: torch.device | None = None) -> None:
        begun = time.monotonic()
        self.device = device or gpu.best_device()
        if self.device.type == "cpu":
            keep_freed_memory()
        folder = Path(base.folder)
        self.base = base
        self.tokenizer = load_tokenizer(folder)
        self.model: Any = load_model(folder, self.device, torch.float32)
        self._config = self.model.config.get_text_config()
        check_vocabulary(self.tokenizer, self._config)
        check_causal(self.model, base.id)
        self.busy = threading.RLock()
        self.weights = FlatWeights(self.model.parameters())  # tied ones once
        self.loss = fastest_loss(self.model, self.weights)
        self.ramp = FirstTokenRamp(self.model, self.device)
        self.graphs = StepGraphs() if self.device.type == "cuda" else None
        self._seconds_to_load = time.monotonic() - begun

    @cached_property
    def tokenizer_for_bots(self) -> Any:
        """A second copy, which exports change into that of a bot: the same for every bot."""
        return load_tokenizer(Path(self.base.folder))

    @property
    def trainable(self) -> Trainable:
        """All of the base's weights, to be trained."""
        return Trainable(self.model, self.weights, self.loss, self.ramp, self.graphs)

    def seconds_to_load(self) -> float:
        """What loading the base took; nothing when asked again, since it is warm then."""
        seconds, self._seconds_to_load = self._seconds_to_load, 0.0
        return seconds

    def use(self, precision: str) -> str:
        """Make the model compute in `bf16` or `fp32`, or for `auto` in what is faster; returns it.

        Raises BadInput.
        """
        chosen = choose_precision(precision, self.device)
        if self.graphs and self.weights.weights.dtype is not TYPES[chosen]:
            self.graphs.clear()  # new weights may lie where older ones did, and gradients elsewhere
        self.weights.use(TYPES[chosen])
        return chosen

    def restore(self, weights: torch.Tensor | None = None) -> None:
        """Put weights back in place: such a copy, or the base's."""
        self.weights.load(self.weights.base if weights is None else weights)

    def base_loss(
        self, held_out: Sequence[str], spec: Spec, known: PostLosses | None = None
    ) -> float:
        """The base's own loss on these texts, in nats a token; the base's weights are put back.

        known: what was measured before; new losses are added. Raises BaseUnavailable where the
        loss is no number.
        """
        precision = self.use(spec.precision)
        self.restore()
        name = weights_name(precision, self.base.revision)
        loss = self.known_loss(name, self.documents(held_out, spec), known or PostLosses())
        if not math.isfinite(loss):
            raise BaseUnavailable(f"base {self.base.id}: its loss is {loss}; choose another")
        return loss

    def known_loss(self, weights: str, documents: Sequence[Document], known: PostLosses) -> float:
        """The loss of the weights as they are now, whose name this is, in nats a token.

        Only documents whose loss is not known yet are measured.
        """
        return mean_of(known.each(weights, documents, self.loss.each), documents)

    def mean_loss(self, documents: Sequence[Document]) -> float:
        """The loss of the weights as they are now, in nats a token over all documents."""
        return self.loss.mean(documents)

    def documents(self, texts: Sequence[str], spec: Spec) -> list[Document]:
        """The texts as the model reads them."""
        return encode(self.tokenizer, texts, context_of(self._config, spec.max_tokens))


_warm: dict[Base, Engine] = {}
_loading = threading.Lock()


def engine_for(base: Base) -> Engine:
    """The warm engine of a base: loaded once, as long as no other base is asked for."""
    with _loading:
        if base not in _warm:
            if _warm:  # freed before, so that two bases never share the memory
                _warm.clear()
                gpu.free_memory()
            _warm[base] = Engine(base)
        return _warm[base]
