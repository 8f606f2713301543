"""One training of one bot: the search for its best weights, the early stop, and its resumption."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence

import torch

from tasks.core import interruption
from tasks.core.errors import Interrupted
from tasks.core.records import Progress, Spec
from tasks.training.compute import gpu
from tasks.training.data.batches import Batch, epoch, equal_shares, tokens_a_step
from tasks.training.data.documents import Document
from tasks.training.dropout import dropping
from tasks.training.loss import mean_of
from tasks.training.resume import State, StateWriter
from tasks.training.schedule import default_rate, rates
from tasks.training.steps import Trainable, TrainingStep

log = logging.getLogger("huggingtweets")

Report = Callable[[Progress], None]
# On a GPU the loss is asked for every so many steps only: asking waits for it.
STEPS_A_REPORT = 16
# What an epoch after the first must gain, in nats a token; a quarter of an epoch, a quarter of it.
# Over ten corpora (docs/training.md) going on after smaller gains took 5 % of the earlier rule's
# time, and ended no lower.
GAIN = 0.08
# Tokens of an epoch from which a second one seldom helps: in 21 trainings on eight such corpora
# (docs/training.md) it ended 0.06 nats a token higher in the mean, lower in four by up to 0.05.
ONE_EPOCH_TOKENS = 20_000
_COUNTERS = ("best_loss", "without_gain", "steps", "tokens", "part", "batch")


class Run:
    """How far a training is. A part is what lies between two evaluations.

    best_loss: the lowest held-out loss so far, the base's at first, in nats a token; best_nats: of
        each held-out document, or None where that is not known. The weights are measured as they
        are saved.
    history: (tokens trained on, mean training loss since the last, held-out loss) an evaluation.
    seconds: by what they were spent on.
    """

    def __init__(
        self,
        trainable: Trainable,
        train: list[Document],
        held_out: list[Document],
        spec: Spec,
        handles: Sequence[str],
        *,
        base_loss: float,
        states: StateWriter | None,
    ) -> None:
        self.trainable, self.spec, self.held_out, self.states = trainable, spec, held_out, states
        self._device = trainable.weights.weights.device
        epochs = [parts_of(train, handles, spec, number) for number in range(spec.epochs)]
        self._first_epoch = len(epochs[0])
        # The learning rate falls over all epochs, also where a training ends with the first: one
        # that had fallen to zero by then was 0.02 nats a token higher in the mean of five corpora.
        self.steps_scheduled = sum(len(part) for part in itertools.chain(*epochs))
        self.rate = spec.learning_rate or default_rate(spec.mode, self.steps_scheduled)
        self.step = TrainingStep(trainable, spec, rates(self.rate, self.steps_scheduled, spec))
        self.parts = list(itertools.chain(*epochs[: _epochs_that_help(epochs, spec)]))
        self.steps_planned = sum(len(part) for part in self.parts)
        self.tokens_planned = sum(batch.tokens for part in self.parts for batch in part)
        self.best_loss, self.without_gain = base_loss, 0
        self.best_weights: torch.Tensor | None = None
        self.best_nats: list[float] | None = None
        self.ends_at_best = False  # then nothing has to be put back
        self.history: list[tuple[int, float, float]] = []
        self.steps = self.tokens = self.part = self.batch = 0
        self.part_loss = torch.zeros((), device=self._device)
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        self._begun = time.monotonic()

    def start_from(self, nats: list[float]) -> None:
        """Start from the weights as they are now, of whose held-out documents these are the losses.

        They are the best so far, and stay so if no evaluation is better.
        """
        self.best_loss, self.best_nats = mean_of(nats, self.held_out), nats
        self.best_weights = self.trainable.weights.copy()

    def search(self, on_progress: Report) -> None:
        """Train part by part until the last or the early stop, and put the best weights back.

        Raises Interrupted, after the state was stored to be resumed.
        """
        self._resume()
        try:
            while self.part < len(self.parts) and self._part_helps(on_progress):
                self.part, self.batch = self.part + 1, 0
                self.part_loss.zero_()
        except Interrupted as error:
            if self.states is None:
                raise
            self.states.write(self.steps, self._state)
            raise Interrupted(
                f"stopped at step {self.steps} of {self.steps_planned}: run it again to resume"
            ) from error
        if not self.ends_at_best:
            weights = self.trainable.weights
            weights.load(weights.base if self.best_weights is None else self.best_weights)
        self.tokens_planned = self.tokens  # an early stop is an end as well
        on_progress(self._progress(self.history[-1][1] if self.history else math.nan))

    def _part_helps(self, on_progress: Report) -> bool:
        """Train on a part and measure; False where the training is to end with it."""
        with dropping(self.trainable.model, self.spec.dropout):
            training_loss = self._train_on(self.parts[self.part], on_progress)
        begun = time.monotonic()
        with self.trainable.weights.as_saved():
            nats = self.trainable.loss.each(self.held_out)
        held_out_loss = mean_of(nats, self.held_out)
        self.seconds["evaluate"] += time.monotonic() - begun
        if not math.isfinite(training_loss + held_out_loss):
            log.warning("training diverged at learning rate %g; keeping the best so far", self.rate)
            return False
        self.history.append((self.tokens, training_loss, held_out_loss))
        enough = GAIN / self.spec.evaluations if self.part >= self._first_epoch else 0.0
        gains = held_out_loss < self.best_loss - enough
        self.without_gain = 0 if gains else self.without_gain + 1
        goes_on = self.without_gain <= self.spec.patience
        if held_out_loss < self.best_loss:
            self.best_loss, self.best_nats = held_out_loss, nats
            self.ends_at_best = not goes_on or self.part + 1 == len(self.parts)
            if not self.ends_at_best:
                self.best_weights = self.trainable.weights.copy(self.best_weights)
        return goes_on

    def _train_on(self, part: list[Batch], on_progress: Report) -> float:
        """Train on the rest of a part; returns the mean loss of all of it, in nats a token."""
        a_report = STEPS_A_REPORT if self._device.type == "cuda" else 1
        begun = time.monotonic()
        for batch in part[self.batch :]:
            interruption.check()
            loss = self.step(batch, self.steps)
            self.part_loss += loss
            self.batch, self.steps = self.batch + 1, self.steps + 1
            self.tokens += batch.tokens
            if self.steps % a_report == 0:
                mean = float(loss) / batch.tokens
                self.seconds["train"] += time.monotonic() - begun
                if self.tokens < self.tokens_planned:  # the end is reported after its evaluation
                    on_progress(self._progress(mean))
                if self.states:
                    self.states.write_if_due(self.steps, self._state)
                begun = time.monotonic()
        total = float(self.part_loss)
        self.seconds["train"] += time.monotonic() - begun
        return total / sum(batch.tokens for batch in part)

    def _progress(self, loss: float) -> Progress:
        elapsed = time.monotonic() - self._begun
        return Progress(
            done=self.tokens,
            total=self.tokens_planned,
            tokens_per_second=self.tokens / max(self.seconds["train"], 1e-9),
            loss=loss,
            held_out=self.history[-1][2] if self.history else None,
            seconds_left=elapsed / self.tokens * (self.tokens_planned - self.tokens),
        )

    def _state(self) -> State:
        """All that another process needs to go on. The names stay: it may be a newer version.

        chance: the state of the random number generator.
        """
        weights = self.trainable.weights
        tensors = {
            "master": weights.master,
            "first": weights.first,
            "second": weights.second,
            "steps": weights.steps,
            "part_loss": self.part_loss,
            "chance": torch.get_rng_state(),
            **gpu.random_state(self._device),
        }
        if self.best_weights is not None:
            tensors["best"] = self.best_weights
        counters = {name: getattr(self, name) for name in _COUNTERS}
        elapsed = time.monotonic() - self._begun
        others = {
            "history": list(self.history),
            "best_nats": self.best_nats,
            "seconds": dict(self.seconds),
            "elapsed": elapsed,
        }
        return tensors, counters | others

    def _resume(self) -> None:
        """Go on from the newest state that another process has left, if there is one."""
        found = self.states.newest() if self.states else None
        if found is None:
            return
        tensors, state = found
        weights = self.trainable.weights
        weights.load(tensors["master"])
        for name in ("first", "second", "steps"):
            getattr(weights, name).copy_(tensors[name])
        self.part_loss.copy_(tensors["part_loss"])
        torch.set_rng_state(tensors["chance"])
        gpu.set_random_state(self._device, tensors)
        if "best" in tensors:
            self.best_weights = tensors["best"].to(self._device)
        for name in (*_COUNTERS, "seconds"):
            setattr(self, name, state[name])
        self.best_nats = state["best_nats"]
        self.history = [(tokens, loss, held_out) for tokens, loss, held_out in state["history"]]
        self._begun = time.monotonic() - state["elapsed"]
        log.info("resuming from step %d of %d", self.steps, self.steps_planned)


def _epochs_that_help(epochs: Sequence[list[list[Batch]]], spec: Spec) -> int:
    """How many of them to run.

    Of a large corpus only the first, unless `patience` is to outlast all evaluations after it.
    """
    later = sum(len(parts) for parts in epochs[1:])
    tokens = sum(batch.tokens for part in epochs[0] for batch in part)
    is_large = spec.mode == "full" and tokens >= ONE_EPOCH_TOKENS
    return 1 if is_large and spec.patience < later else len(epochs)


def parts_of(
    train: list[Document], handles: Sequence[str], spec: Spec, number: int
) -> list[list[Batch]]:
    """An epoch's batches, cut where the held-out loss is to be measured; no part is empty.

    As a rule it falls throughout the first epoch (0), which is measured half as often therefore.
    """
    seed = spec.seed + number
    documents = equal_shares(train, handles, seed)
    batches = epoch(documents, tokens_a_step(documents, spec.batch_tokens), seed)
    evaluations = spec.evaluations if number else max(spec.evaluations // 2, 1)
    pieces = min(evaluations, len(batches))
    cuts = [len(batches) * n // pieces for n in range(pieces + 1)]
    return [batches[start:end] for start, end in itertools.pairwise(cuts)]
