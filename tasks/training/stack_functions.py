"""What layers compute with a stack's views, K × shape; gradients are added to the views' in place.

Autograd's own way would make second gradients as large as the weights of all bots.
"""
# torch's Function is untyped, and its methods take whatever `apply` was given.
# mypy: disable-error-code="override,no-untyped-call,no-any-return"

from __future__ import annotations

from typing import Any

import torch


def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each bot's rows by its matrix: K × rows × inputs by K × inputs × outputs."""
    return _Product.apply(x, weight, weight.grad)


def turned_product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The same with matrices that are kept as K × outputs × inputs."""
    grad = None if weight.grad is None else weight.grad.mT
    return _Product.apply(x, weight.mT, grad)


def lookup(ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each bot's ids (K × tokens) in its table (K × rows × size).

    The gradients of equal ids are summed in fp32 before they are added.
    """
    return _Lookup.apply(ids, weight, weight.grad)


def vector(weight: torch.Tensor) -> torch.Tensor:
    """Each bot's vector (K × size), to be added to or multiplied with what is small."""
    return _Vector.apply(weight, weight.grad)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.grad = grad
        return torch.bmm(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        x, weight = ctx.saved_tensors
        _add_products(ctx.grad, x.mT, grad)
        return torch.bmm(grad, weight.mT), None, None


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, ids: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor | None
    ) -> torch.Tensor:
        bots = torch.arange(len(weight), device=ids.device)[:, None]
        ctx.lines, ctx.grad = bots * weight.size(1) + ids, grad
        return weight[bots, ids]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        lines, order = ctx.lines.flatten().sort()
        # Sums of equal lines, the first lines' first, and zeros for the rest: no shape depends on
        # how many differ, which a recorded step could not bear, and a GPU would be waited for.
        place = torch.nn.functional.pad(lines.diff() != 0, (1, 0)).cumsum(0)
        sums = torch.zeros(grad.flatten(0, -2).shape, device=grad.device)
        sums.index_add_(0, place, grad.flatten(0, -2)[order].float())
        seen = torch.zeros_like(lines).scatter_(0, place, lines)
        bots, ids = seen // ctx.grad.size(1), seen % ctx.grad.size(1)
        ctx.grad.index_put_((bots, ids), sums.to(grad.dtype), accumulate=True)
        return None, None, None


class _Vector(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, grad: torch.Tensor | None) -> torch.Tensor:
        ctx.grad = grad
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        ctx.grad.add_(grad)
        return None, None


def _add_products(sums: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> None:
    if sums.device.type == "cuda":  # pragma: no cover - needs a GPU
        sums.baddbmm_(one, other)
        return
    # On a CPU in bf16 that takes a thousand times as long as these (torch 2.13: 8 s for one layer).
    for total, first, second in zip(sums, one, other, strict=True):
        total.addmm_(first, second)
