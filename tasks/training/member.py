"""One bot among those that are trained at once: its batches, its progress, its best weights."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tasks.core.records import Progress, Spec
from tasks.training import adapters
from tasks.training.data.batches import Batch, batches_of
from tasks.training.data.documents import Document, scored
from tasks.training.run import parts_of
from tasks.training.schedule import default_rate, rates

log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class BotTexts:
    """What a bot is trained on and measured by.

    handles: whose post each training text is, where the bot has several.
    """

    name: str
    train: Sequence[str]
    held_out: Sequence[str]
    handles: Sequence[str] | None = None


class Member:
    """How far a bot's training is; it ends by its own schedule and its own early stop.

    number: its place among all bots. batches: of all steps. rates: of all steps.
    history: (tokens trained on, mean training loss since the last, held-out loss) an evaluation.
    seconds: its share of the time that was spent on all.
    """

    def __init__(
        self,
        number: int,
        bot: BotTexts,
        train: list[Document],
        held_out: list[Document],
        spec: Spec,
        base_loss: float,
    ) -> None:
        self.number, self.bot, self.spec = number, bot, spec
        self.lengths = [len(document) for document in train]
        parts = parts_of(train, bot.handles or [""] * len(train), spec)
        self.batches = list(itertools.chain.from_iterable(parts))
        self._ends = set(itertools.accumulate(len(part) for part in parts))
        planned = len(self.batches)
        self.rate = spec.learning_rate or _default_rate(spec, planned)
        self.rates = rates(self.rate, planned, spec)
        self.measuring = batches_of(held_out, spec.batch_tokens)
        self._held_out_tokens = scored(held_out)
        self.base_loss = self.best_loss = base_loss
        self.best: torch.Tensor | None = None
        self.history: list[tuple[int, float, float]] = []
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        self.steps = self.tokens = 0
        self.ended = False
        self._part_tokens = self._without_gain = 0

    @property
    def batch(self) -> Batch:
        """The next step's."""
        return self.batches[self.steps]

    @property
    def longest(self) -> int:
        """Tokens of its longest text."""
        return max(self.lengths)

    def stepped(self) -> bool:
        """Count a step; whether it is time to measure."""
        tokens = self.batch.tokens
        self.steps += 1
        self.tokens += tokens
        self._part_tokens += tokens
        return self.steps in self._ends

    def measured(self, training: float, held_out: float, weights: torch.Tensor) -> None:
        """Take losses in, summed, since the last time and over the held-out posts; may end it.

        weights: as they are now, copied if they are the best so far.
        """
        training_loss = training / self._part_tokens
        held_out_loss = held_out / self._held_out_tokens
        self._part_tokens = 0
        self.ended = self.steps == len(self.batches)
        if not math.isfinite(training_loss + held_out_loss):
            log.warning("%s: diverged at rate %g; the best stays", self.bot.name, self.rate)
            self.ended = True
            return
        self.history.append((self.tokens, training_loss, held_out_loss))
        if held_out_loss < self.best_loss:
            self.best_loss, self.best, self._without_gain = held_out_loss, weights.clone(), 0
            return
        self._without_gain += 1
        self.ended = self.ended or self._without_gain > self.spec.patience

    def progress(self, loss: float, seconds: float) -> Progress:
        """How far it is, `seconds` after the beginning; loss: the last step's, nats a token."""
        planned = self.tokens if self.ended else sum(batch.tokens for batch in self.batches)
        speed = self.tokens / max(seconds, 1e-9)
        return Progress(
            done=self.tokens,
            total=planned,
            tokens_per_second=speed,
            loss=loss,
            held_out=self.history[-1][2] if self.history else None,
            seconds_left=(planned - self.tokens) / max(speed, 1e-9),
        )


def _default_rate(spec: Spec, steps: int) -> float:
    return adapters.RATE if spec.mode == "adapter" else default_rate(steps)
