"""Trained weights in one tensor, their gradients in another, and AdamW over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from tasks.training.compute import gpu_adamw

# Parameters begin at multiples of so many numbers: 64 bytes in bf16, which kernels like.
ALIGNED = 32
# Numbers that the optimizer works on at once on a CPU, so that they stay in its cache. Measured on
# two cores with 134 million weights in bf16: 0.08 s a step at 1 Mi, 0.11 at 128 Ki, 0.30 at once.
CHUNK = 1 << 20
BETAS = (0.9, 0.999)
EPSILON = 1e-8


class FlatWeights:
    """Parameters as views of one tensor, with fp32 masters and AdamW's moments.

    master: what is trained. weights: its rounded copy that the model computes with; in fp32 the
    same tensor. grads: summed in place, and cleared by the step that uses them.
    base: the weights as they were at first, in fp32. first, second: the moments.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._places, end = [], 0
        for parameter in self._parameters:
            self._places.append((end, end + parameter.numel()))
            end += -(-parameter.numel() // ALIGNED) * ALIGNED
        device = self._parameters[0].device
        self.base = torch.zeros(end, device=device)
        for parameter, (start, stop) in zip(self._parameters, self._places, strict=True):
            self.base[start:stop] = parameter.detach().flatten()
        self.master = self.base.clone()
        self.first, self.second = torch.zeros_like(self.base), torch.zeros_like(self.base)
        self.steps = torch.zeros((), device=device)
        self._chunk = CHUNK if device.type == "cpu" else end
        self._exact = torch.empty(min(self._chunk, end), device=device)
        self._view(torch.float32)

    def use(self, dtype: torch.dtype) -> None:
        """Make the model compute in this type; the masters stay as they are."""
        if self.weights.dtype is not dtype:
            self._view(dtype)

    @torch.no_grad()
    def _view(self, dtype: torch.dtype) -> None:
        """Make the parameters views of tensors of this type."""
        self.weights = self.master if dtype is torch.float32 else self.master.to(dtype)
        self.grads = torch.zeros_like(self.weights)
        for parameter, (start, stop) in zip(self._parameters, self._places, strict=True):
            parameter.grad = None  # its type must be the weights'
            parameter.data = self.weights[start:stop].view(parameter.shape)
        self._view_gradients()

    def _view_gradients(self) -> None:
        for parameter, (start, stop) in zip(self._parameters, self._places, strict=True):
            parameter.grad = self.grads[start:stop].view(parameter.shape)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block the weights stay as they are and have no gradients."""
        for parameter in self._parameters:
            parameter.requires_grad_(False)
            parameter.grad = None
        try:
            yield
        finally:
            for parameter in self._parameters:
                parameter.requires_grad_(True)
            self._view_gradients()

    def joined(self, layers: Sequence[Any]) -> torch.nn.Parameter | None:
        """The weights of linear layers as one, if they stand side by side and have no biases.

        None where one of them is no plain linear layer, such as one with an adapter.
        """
        if any(type(layer) is not torch.nn.Linear or layer.bias is not None for layer in layers):
            return None
        of = {id(p): place for p, place in zip(self._parameters, self._places, strict=True)}
        places = [of[id(layer.weight)] for layer in layers]
        if any(a[1] != b[0] for a, b in itertools.pairwise(places)):
            return None
        start, stop = places[0][0], places[-1][1]
        shape = (-1, layers[0].in_features)
        one = torch.nn.Parameter(self.weights[start:stop].view(shape))
        one.grad = self.grads[start:stop].view(shape)
        return one

    @torch.no_grad()
    def load(self, weights: torch.Tensor) -> None:
        """Put weights, of any type, in the place of the present ones."""
        self.master.copy_(weights)
        if self.weights is not self.master:
            self.weights.copy_(self.master)

    @torch.no_grad()
    def copy(self, into: torch.Tensor | None = None) -> torch.Tensor:
        """A copy of the weights as they are now, in one tensor; `into` an older copy's memory."""
        return self.weights.clone() if into is None else into.copy_(self.weights)

    @contextmanager
    def as_saved(self) -> Iterator[None]:
        """Within the block the model computes with weights that bf16 can hold, as they are saved.

        In fp32 too; afterwards all digits are back.
        """
        if self.weights.dtype is torch.bfloat16:
            yield
            return
        with torch.no_grad():
            exact = self.weights.clone()
            for weights in torch.split(self.weights, self._chunk):
                weights.copy_(weights.bfloat16())
        try:
            yield
        finally:
            with torch.no_grad():
                self.weights.copy_(exact)

    @torch.no_grad()
    def begin(self) -> None:
        """Forget moments and gradients: a new training starts."""
        for tensor in (self.first, self.second, self.grads, self.steps):
            tensor.zero_()

    @torch.no_grad()
    def norm(self) -> torch.Tensor:
        """The gradients' norm, in fp32."""
        if self.grads.device.type != "cpu":  # in one pass, of any number of gradients
            norm: torch.Tensor = torch.linalg.vector_norm(self.grads, dtype=torch.float32)
            return norm
        total = torch.zeros((), device=self.grads.device)
        for grads in torch.split(self.grads, self._chunk):
            exact = self._in_fp32(grads)
            total += torch.dot(exact, exact)
        return total.sqrt()

    @torch.no_grad()
    def step(self, rate: torch.Tensor, share: torch.Tensor, clip: float, decay: float) -> None:
        """One AdamW step with the gradients times `share`, their norm clipped at `clip`.

        rate, share: on the weights' device, so that nothing here waits for it.
        """
        # What the kernel is to divide the gradients by.
        divisor = (self.norm() * share / clip).clamp(min=1.0) / share
        self.steps += 1
        if self.weights.dtype is torch.bfloat16 and self.weights.is_cuda:
            one_pass = gpu_adamw.one_pass(BETAS, EPSILON)
            if one_pass is not None:
                state = (self.master, self.first, self.second, self.weights, self.steps)
                one_pass(self.grads, *state, rate, 1 - rate * decay, divisor)
                return
        for grads, master, first, second, weights in self._chunks():
            torch._fused_adamw_(  # the public class would keep a state for each chunk
                [master],
                [self._in_fp32(grads)],
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
            grads.zero_()

    def _chunks(self) -> Iterator[tuple[torch.Tensor, ...]]:
        whole = (self.grads, self.master, self.first, self.second, self.weights)
        return zip(*(torch.split(tensor, self._chunk) for tensor in whole), strict=True)

    def _in_fp32(self, grads: torch.Tensor) -> torch.Tensor:
        if grads.dtype is torch.float32:
            return grads
        return self._exact[: len(grads)].copy_(grads)
