"""The training of several bots in the same steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from tasks.core.records import Progress, Spec
from tasks.training.compute.memory import Pieces
from tasks.training.compute.packed_rows import in_rows, rows_of
from tasks.training.data.batches import Batch, rounded
from tasks.training.dropout import dropping
from tasks.training.member import Member
from tasks.training.row_paths import RowPath
from tasks.training.run import STEPS_A_REPORT
from tasks.training.stack import Stack

if TYPE_CHECKING:
    from tasks.training.engine import Engine

Told = Callable[[str, Progress], None]


class Group:
    """Trains its members until each has ended; one that has leaves the steps."""

    def __init__(
        self, engine: Engine, path: RowPath, members: Sequence[Member], spec: Spec, told: Told
    ) -> None:
        self._engine, self._path, self._spec, self._told = engine, path, spec, told
        self._members = list(members)
        dtype = engine.flat.weights.dtype
        self._stack = Stack(path.layers.start, path.layers.places, len(members), dtype)
        self._losses = torch.zeros(len(members), device=engine.device)
        self._width = self._fixed_width()
        self._pieces = Pieces()

    def train(self) -> None:
        """Train to the end. Raises torch.OutOfMemoryError."""
        self._begun = self._lap = time.monotonic()
        try:
            with self._path.layers.attached(self._stack):
                while self._members:
                    # All members began together, so that all are at the same step.
                    openings = self._engine.openings.softened(self._members[0].steps)
                    with dropping(self._engine.model, self._spec.dropout), openings:
                        losses = self._step()
                    self._losses += losses
                    due = [row for row, member in enumerate(self._members) if member.stepped()]
                    self._tell(losses)
                    if due:
                        self._measure(due)
        finally:
            if self._engine.graphs:
                self._engine.graphs.clear()

    def _fixed_width(self) -> int:
        """On a GPU, where a step is recorded for its shape, rows are as long as they can get."""
        if self._engine.graphs is None:
            return 0
        longest = max(member.longest for member in self._members)
        return rounded(max(self._spec.batch_tokens, longest))

    def _step(self) -> torch.Tensor:
        """A step of each; returns the summed losses, on the device."""
        batches = [member.batch for member in self._members]
        rates = self._sent(torch.tensor([member.rates[member.steps] for member in self._members]))
        shares = self._sent(torch.tensor([1 / batch.tokens for batch in batches]))
        graphs = self._engine.graphs
        if graphs and not self._pieces.needed:
            try:
                packed = self._packed(batches)
                return graphs.step(self._fixed(), packed, rates, shares, self._whole, self._warm_up)
            except torch.OutOfMemoryError:
                graphs.clear()
                if len(batches) > 1:
                    raise
                self._stack.grads.zero_()
                self._pieces.needed = True
        losses = self._alone(batches[0]) if len(batches) == 1 else self._together(batches)
        self._update(rates, shares)
        return losses

    def _alone(self, batch: Batch) -> torch.Tensor:
        backward = lambda piece: self._together([piece]).sum()  # noqa: E731 - one expression
        return self._pieces.sum_of(backward, batch, self._stack.grads.zero_)[None]

    def _together(self, batches: Sequence[Batch]) -> torch.Tensor:
        return self._backward(self._packed(batches))

    def _whole(self, packed: Batch, rates: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        losses = self._backward(packed)
        self._update(rates, shares)
        return losses

    def _warm_up(self, packed: Batch) -> None:
        self._backward(packed)
        self._stack.grads.zero_()

    def _update(self, rates: torch.Tensor, shares: torch.Tensor) -> None:
        self._stack.step(rates, shares, self._spec.clip, self._spec.weight_decay)

    def _backward(self, packed: Batch) -> torch.Tensor:
        """Each bot's summed loss, with its gradients added to those in the stack."""
        return self._path.backward(rows_of(packed.ids), self._stack)

    def _measure(self, due: Sequence[int]) -> None:
        """Measure these members, and let those go that have ended."""
        training = self._losses.tolist()
        self._passed("train")
        for row in due:
            member = self._members[row]
            held_out = self._held_out_loss(row)
            member.measured(training[row], held_out, self._stack.weights[row])
            self._losses[row] = 0
        self._passed("evaluate")
        staying = [row for row, member in enumerate(self._members) if not member.ended]
        if len(staying) < len(self._members):
            self._let_go(staying)

    def _let_go(self, staying: Sequence[int]) -> None:
        for member in self._members:
            if member.ended:
                loss = member.history[-1][1] if member.history else float("nan")
                self._told(member.bot.name, member.progress(loss, self._elapsed))
        self._members = [self._members[row] for row in staying]
        self._losses = self._losses[list(staying)]
        self._stack.keep(staying)
        if self._engine.graphs:
            self._engine.graphs.clear()

    @torch.no_grad()
    def _held_out_loss(self, row: int) -> float:
        """The sum over a member's held-out posts."""
        at_once = self._path.measured_at_once[self._engine.device.type]
        total = torch.zeros(1, device=self._engine.device)
        with self._stack.only(row):
            measuring = self._members[row].measuring
            for start in range(0, len(measuring), at_once):
                packed = in_rows(measuring[start : start + at_once])
                total += self._path.losses(rows_of(self._sent(packed.ids)), self._stack)
        return float(total)

    def _passed(self, phase: str) -> None:
        """What has passed since the last time was this phase, of all members alike."""
        now = time.monotonic()
        for member in self._members:
            member.seconds[phase] += (now - self._lap) / len(self._members)
        self._lap = now

    def _tell(self, losses: torch.Tensor) -> None:
        often = STEPS_A_REPORT if self._engine.device.type == "cuda" else 1
        if self._members[0].steps % often:
            return
        for member, loss in zip(self._members, losses.tolist(), strict=True):
            mean = loss / member.batches[member.steps - 1].tokens
            self._told(member.bot.name, member.progress(mean, self._elapsed))

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def _packed(self, batches: Sequence[Batch]) -> Batch:
        packed = in_rows(batches, self._width)
        return Batch(self._sent(packed.ids), self._sent(packed.labels), packed.tokens)

    def _sent(self, tensor: torch.Tensor) -> torch.Tensor:
        """To the device, without waiting for it."""
        if self._engine.device.type == "cuda":  # pragma: no cover - needs a GPU
            return tensor.pin_memory().to(self._engine.device, non_blocking=True)
        return tensor

    def _fixed(self) -> tuple[object, ...]:
        """What a recorded step holds beside its inputs."""
        spec = self._spec
        return (self._stack.weights.data_ptr(), spec.clip, spec.weight_decay, spec.dropout)
