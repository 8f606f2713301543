"""The training loop: one base, loaded once, and many bots after one another.

torch, transformers and safetensors are all that it needs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tasks.records import Base, Progress, Spec
from tasks.training.batches import Batch, epoch, equal_shares
from tasks.training.documents import Document, check_vocabulary, context_of, encode
from tasks.training.loading import load_model, load_tokenizer
from tasks.training.losses import mean_loss, summed_loss
from tasks.training.precision import choose_precision
from tasks.training.schedule import default_rate, share

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
    """A base in memory, ready to be trained into one bot after another."""

    def __init__(self, base: Base, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        folder = Path(base.folder)
        self.tokenizer = load_tokenizer(folder)
        self.model: Any = load_model(folder, self.device, torch.float32)
        check_vocabulary(self.tokenizer, self.model.config)
        self._base_weights = self.weights()

    def weights(self) -> list[torch.Tensor]:
        """A copy of the weights as they are now, tied ones once."""
        return [parameter.detach().clone() for parameter in self.model.parameters()]

    @torch.no_grad()
    def restore(self, weights: Sequence[torch.Tensor] | None = None) -> None:
        """Put weights back in place: these, or the base's."""
        for parameter, saved in zip(
            self.model.parameters(), weights or self._base_weights, strict=True
        ):
            parameter.copy_(saved)

    def documents(self, texts: Sequence[str], spec: Spec) -> list[Document]:
        """The texts as the model reads them."""
        return encode(self.tokenizer, texts, context_of(self.model.config, spec.max_tokens))

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
        self.restore()
        torch.manual_seed(spec.seed)
        owners = handles or [""] * len(train)
        run = _Run(self, self.documents(train, spec), self.documents(held_out, spec), spec, owners)
        return run.to_the_end(on_progress)


class _Run:
    """One training of one bot: its batches, its optimizer, and how far it is."""

    def __init__(
        self,
        engine: Engine,
        train: list[Document],
        held_out: list[Document],
        spec: Spec,
        handles: Sequence[str],
    ) -> None:
        self.engine, self.model, self.spec, self.held_out = engine, engine.model, spec, held_out
        self.precision = choose_precision(spec.precision, engine.device)
        self.rate = spec.learning_rate or default_rate(len(train))
        self.parts = _parts(train, handles, spec)
        self.steps_planned = sum(len(part) for part in self.parts)
        self.tokens_planned = sum(batch.tokens for part in self.parts for batch in part)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=self.rate, weight_decay=spec.weight_decay, fused=True
        )
        self.steps = self.tokens = 0
        self.history: list[tuple[int, float, float]] = []

    def to_the_end(self, on_progress: Report) -> Trained:
        """Train until the last part or the early stop; the best weights stay in the model."""
        begun = time.monotonic()
        base_loss = best_loss = self._held_out_loss()
        best_weights: list[torch.Tensor] | None = None
        without_gain = 0
        for part in self.parts:
            training_loss = self._train_on(part, begun, on_progress)
            held_out_loss = self._held_out_loss()
            self.history.append((self.tokens, training_loss, held_out_loss))
            if held_out_loss < best_loss:
                best_loss, best_weights, without_gain = held_out_loss, self.engine.weights(), 0
            elif (without_gain := without_gain + 1) > self.spec.patience:
                break
        self.engine.restore(best_weights)
        return Trained(
            base_loss=base_loss,
            held_out_loss=best_loss,
            learning_rate=self.rate,
            epochs=len(self.history) / self.spec.evaluations,
            steps=self.steps,
            tokens=self.tokens,
            seconds=time.monotonic() - begun,
            precision=self.precision,
            history=tuple(self.history),
        )

    def _train_on(self, part: list[Batch], begun: float, on_progress: Report) -> float:
        """Train on a part of an epoch; returns its mean loss in nats a token."""
        self.model.train()
        total, tokens = 0.0, 0
        for batch in part:
            loss = self._one_step(batch)
            total, tokens = total + loss, tokens + batch.tokens
            on_progress(self._progress(time.monotonic() - begun, loss / batch.tokens))
        return total / max(tokens, 1)

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

    def _held_out_loss(self) -> float:
        return mean_loss(self.model, self.held_out, self.precision)

    def _progress(self, seconds: float, loss: float) -> Progress:
        speed = self.tokens / max(seconds, 1e-9)
        return Progress(
            done=self.tokens,
            total=self.tokens_planned,
            tokens_per_second=speed,
            loss=loss,
            held_out=self.history[-1][2] if self.history else None,
            seconds_left=(self.tokens_planned - self.tokens) / speed,
        )


def _parts(train: list[Document], handles: Sequence[str], spec: Spec) -> list[list[Batch]]:
    """All epochs' batches, cut where the held-out loss is to be measured."""
    parts = []
    for number in range(spec.epochs):
        seed = spec.seed + number
        batches = epoch(equal_shares(train, handles, seed), spec.batch_tokens, seed)
        cuts = [len(batches) * n // spec.evaluations for n in range(spec.evaluations + 1)]
        parts += [batches[start:end] for start, end in itertools.pairwise(cuts)]
    return parts


@lru_cache(maxsize=1)
def engine_for(base: Base) -> Engine:
    """The warm engine of a base: loaded once, as long as no other base is asked for."""
    return Engine(base)
