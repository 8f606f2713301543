"""The weights of several bots in one tensor, a row for each, and AdamW over each row by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from tasks.training.compute.flat_adamw import BETAS, CHUNK, EPSILON

# Where a parameter begins in a row, and its shape.
Places = Mapping[str, tuple[int, torch.Size]]


class Stack:
    """What is trained of K bots: K rows of the same numbers, which all begin equal.

    views: each parameter by name as one of K × shape, a view of `weights` with its gradient.
    master: what is trained, in fp32. weights: its rounded copy, or the same tensor in fp32.
    """

    def __init__(self, start: torch.Tensor, places: Places, bots: int, dtype: torch.dtype) -> None:
        self._places = places
        self.master = start.float().repeat(bots, 1)
        self.first, self.second = torch.zeros_like(self.master), torch.zeros_like(self.master)
        self.steps = torch.zeros((), device=start.device)
        self._show(self.master if dtype is torch.float32 else self.master.to(dtype))

    def __len__(self) -> int:
        return len(self.master)

    @property
    def shown(self) -> int:
        """How many bots the views are of."""
        return len(next(iter(self.views.values())))

    def _show(self, weights: torch.Tensor) -> None:
        self.weights, self.grads = weights, torch.zeros_like(weights)
        self.views = {name: self._view(name) for name in self._places}

    def _view(self, name: str) -> torch.nn.Parameter:
        start, shape = self._places[name]
        stop = start + shape.numel()
        view = torch.nn.Parameter(self.weights[:, start:stop].view(len(self), *shape))
        view.grad = self.grads[:, start:stop].view(len(self), *shape)
        return view

    @torch.no_grad()
    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these bots only."""
        chosen = torch.tensor(rows, dtype=torch.long, device=self.master.device)
        rounded = self.weights is not self.master
        for name in ("master", "first", "second"):
            setattr(self, name, getattr(self, name)[chosen])
        self._show(self.weights[chosen] if rounded else self.master)

    @contextmanager
    def only(self, row: int) -> Iterator[None]:
        """Within the block the views are of one bot, without gradients."""
        views = self.views
        self.views = {
            name: torch.nn.Parameter(view[row : row + 1], requires_grad=False)
            for name, view in views.items()
        }
        try:
            yield
        finally:
            self.views = views

    @torch.no_grad()
    def step(self, rates: torch.Tensor, shares: torch.Tensor, clip: float, decay: float) -> None:
        """One AdamW step of each bot at its rate, with its gradients times its share.

        Each bot's gradients are clipped by their own norm. rates, shares: one for each bot, on the
        weights' device, so that nothing here waits for it.
        """
        self.steps += 1
        for row, (rate, share) in enumerate(zip(rates, shares, strict=True)):
            self._step(row, rate, share, clip, decay)
        self.grads.zero_()

    def _step(
        self, row: int, rate: torch.Tensor, share: torch.Tensor, clip: float, decay: float
    ) -> None:
        norm = torch.stack([part.float().square().sum() for part in self._parts(self.grads[row])])
        # What the kernel is to divide the gradients by.
        divisor = (norm.sum().sqrt() * share / clip).clamp(min=1.0) / share
        whole = (self.grads, self.master, self.first, self.second, self.weights)
        parts = (self._parts(tensor[row]) for tensor in whole)
        for grads, master, first, second, weights in zip(*parts, strict=True):
            torch._fused_adamw_(  # the public class knows one rate for all rows
                [master],
                [grads.float()],
                [first],
                [second],
                [],
                [self.steps],
                lr=rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
                grad_scale=divisor,
            )
            if weights.dtype is not master.dtype:
                weights.copy_(master)

    def _parts(self, row: torch.Tensor) -> Sequence[torch.Tensor]:
        """In pieces that stay in a CPU's cache; on a GPU whole."""
        return torch.split(row, CHUNK) if row.device.type == "cpu" else (row,)
