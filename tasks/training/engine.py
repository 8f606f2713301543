"""The training loop: one base, loaded once, and many bots after one another.

torch, transformers and safetensors are all that it needs.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tasks.errors import BaseUnavailable
from tasks.records import Base, Progress, Spec, digest
from tasks.training.batches import Batch, epoch, equal_shares
from tasks.training.documents import Document, check_vocabulary, context_of, encode
from tasks.training.loading import load_model, load_tokenizer
from tasks.training.losses import mean_loss, summed_loss
from tasks.training.precision import choose_precision
from tasks.training.schedule import default_rate, share

log = logging.getLogger("huggingtweets")

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Trained:
    """What a training came to; the best weights are in the engine's model.

    base_loss, held_out_loss: before and at best, in nats a token of the held-out posts.
    learning_rate: the highest; epochs, steps, tokens, seconds: run; precision: used.
    history: (tokens trained on, mean training loss since the last, held-out loss) an evaluation.
    """

    base_loss: float
    held_out_loss: float
    learning_rate: float
    epochs: float
    steps: int
    tokens: int
    seconds: float
    precision: str
    history: tuple[tuple[int, float, float], ...]


class Engine:
    """A base in memory, ready to be trained into one bot after another.

    busy: held by whoever needs the weights to stay as they are, since all share them.
    """

    def __init__(self, base: Base, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        folder = Path(base.folder)
        self.base = base
        self.tokenizer = load_tokenizer(folder)
        self.model: Any = load_model(folder, self.device, torch.float32)
        self._config = self.model.config.get_text_config()
        check_vocabulary(self.tokenizer, self._config)
        self.busy = threading.RLock()
        self._base_weights = self.copy_weights()
        self._base_losses: dict[str, float] = {}

    @torch.no_grad()
    def copy_weights(self, into: list[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """A copy of the weights as they are now, tied ones once; `into` an older copy's memory."""
        into = into or [torch.empty_like(parameter) for parameter in self.model.parameters()]
        for copy, parameter in zip(into, self.model.parameters(), strict=True):
            copy.copy_(parameter)
        return into

    @torch.no_grad()
    def restore(self, weights: Sequence[torch.Tensor] | None = None) -> None:
        """Put weights back in place: these, or the base's."""
        for parameter, saved in zip(
            self.model.parameters(), weights or self._base_weights, strict=True
        ):
            parameter.copy_(saved)

    def base_loss(self, held_out: Sequence[str], spec: Spec) -> float:
        """The base's own loss on these texts, in nats a token; the base's weights are put back.

        Equal questions are answered from memory. Raises BaseUnavailable where it is no number.
        """
        self.restore()
        documents = self.documents(held_out, spec)
        precision = choose_precision(spec.precision, self.device)
        key = digest(documents, precision)
        if key not in self._base_losses:
            loss = mean_loss(self.model, documents, precision)
            if not math.isfinite(loss):
                raise BaseUnavailable(f"base {self.base.id}: its loss is {loss}; choose another")
            self._base_losses[key] = loss
        return self._base_losses[key]

    def documents(self, texts: Sequence[str], spec: Spec) -> list[Document]:
        """The texts as the model reads them."""
        return encode(self.tokenizer, texts, context_of(self._config, spec.max_tokens))

    def train(
        self,
        train: Sequence[str],
        held_out: Sequence[str],
        spec: Spec,
        *,
        handles: Sequence[str] | None = None,
        on_progress: Report = lambda _progress: None,
    ) -> Trained:
        """Train the base on `train`, stop early by `held_out`, and keep the best weights.

        handles: whose post each training text is, where a bot has several.
        """
        torch.manual_seed(spec.seed)
        base_loss = self.base_loss(held_out, spec)
        owners = handles or [""] * len(train)
        documents = self.documents(train, spec), self.documents(held_out, spec)
        return _Run(self, *documents, spec, owners, base_loss).to_the_end(on_progress)


class _Run:
    """One training of one bot: its batches, its optimizer, and how far it is."""

    def __init__(
        self,
        engine: Engine,
        train: list[Document],
        held_out: list[Document],
        spec: Spec,
        handles: Sequence[str],
        base_loss: float,
    ) -> None:
        self.engine, self.model, self.spec, self.held_out = engine, engine.model, spec, held_out
        self.base_loss = base_loss
        self.precision = choose_precision(spec.precision, engine.device)
        log.info("training in %s on %s", self.precision, engine.device.type)
        self.rate = spec.learning_rate or default_rate(len(train))
        self.parts = _parts(train, handles, spec)
        self.steps_planned = sum(len(part) for part in self.parts)
        self.tokens_planned = sum(batch.tokens for part in self.parts for batch in part)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=self.rate, weight_decay=spec.weight_decay, fused=True
        )
        self.steps = self.tokens = 0
        self.begun, self.seconds_in_steps = time.monotonic(), 0.0
        self.history: list[tuple[int, float, float]] = []

    def to_the_end(self, on_progress: Report) -> Trained:
        """Train until the last part or the early stop; the best weights stay in the model."""
        best_loss = self._search(on_progress)
        return Trained(
            base_loss=self.base_loss,
            held_out_loss=best_loss,
            learning_rate=self.rate,
            epochs=self.spec.epochs * self.steps / self.steps_planned,
            steps=self.steps,
            tokens=self.tokens,
            seconds=time.monotonic() - self.begun,
            precision=self.precision,
            history=tuple(self.history),
        )

    def _search(self, on_progress: Report) -> float:
        """Train part by part, put the best weights back, and return their held-out loss."""
        best_loss, without_gain = self.base_loss, 0
        best_weights: list[torch.Tensor] | None = None
        for part in self.parts:
            training_loss = self._train_on(part, on_progress)
            held_out_loss = mean_loss(self.model, self.held_out, self.precision)
            if not math.isfinite(training_loss + held_out_loss):
                log.warning("the training diverged at rate %g; the best so far stays", self.rate)
                break
            self.history.append((self.tokens, training_loss, held_out_loss))
            if held_out_loss < best_loss:
                best_loss, without_gain = held_out_loss, 0
                best_weights = self.engine.copy_weights(best_weights)
            elif (without_gain := without_gain + 1) > self.spec.patience:
                break
        self.engine.restore(best_weights)
        self.tokens_planned = self.tokens  # an early stop is an end as well
        on_progress(self._progress(self.history[-1][1] if self.history else math.nan))
        return best_loss

    def _train_on(self, part: list[Batch], on_progress: Report) -> float:
        """Train on a part of an epoch; returns its mean loss in nats a token."""
        total, tokens = 0.0, 0
        for batch in part:
            begun = time.monotonic()
            loss = self._one_step(batch)
            self.seconds_in_steps += time.monotonic() - begun
            total, tokens = total + loss, tokens + batch.tokens
            on_progress(self._progress(loss / batch.tokens))
        return total / tokens

    def _one_step(self, batch: Batch) -> float:
        """One optimizer step on the mean over the batch's tokens; returns the summed loss."""
        spec = self.spec
        rate = self.rate * share(self.steps, self.steps_planned, spec.warmup, spec.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = summed_loss(self.model, batch, self.precision)
        torch.autograd.backward(loss / batch.tokens)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), spec.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps, self.tokens = self.steps + 1, self.tokens + batch.tokens
        return float(loss.detach())

    def _progress(self, loss: float) -> Progress:
        elapsed = time.monotonic() - self.begun
        return Progress(
            done=self.tokens,
            total=self.tokens_planned,
            tokens_per_second=self.tokens / max(self.seconds_in_steps, 1e-9),
            loss=loss,
            held_out=self.history[-1][2] if self.history else None,
            seconds_left=elapsed / self.tokens * (self.tokens_planned - self.tokens),
        )


def _parts(train: list[Document], handles: Sequence[str], spec: Spec) -> list[list[Batch]]:
    """All epochs' batches, cut where the held-out loss is to be measured; no part is empty."""
    parts = []
    for number in range(spec.epochs):
        seed = spec.seed + number
        batches = epoch(equal_shares(train, handles, seed), spec.batch_tokens, seed)
        pieces = min(spec.evaluations, len(batches))
        cuts = [len(batches) * n // pieces for n in range(pieces + 1)]
        parts += [batches[start:end] for start, end in itertools.pairwise(cuts)]
    return parts


_warm: dict[Base, Engine] = {}
_loading = threading.Lock()


def engine_for(base: Base) -> Engine:
    """The warm engine of a base: loaded once, as long as no other base is asked for."""
    with _loading:
        if base not in _warm:
            _warm.clear()  # before, so that two bases never share the memory
            _warm[base] = Engine(base)
        return _warm[base]
