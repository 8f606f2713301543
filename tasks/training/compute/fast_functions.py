"""Layers' functions with backward passes written by hand: fewer passes over memory than autograd's.

Weights' gradients are added to `weight.grad` instead of being returned; frozen weights have none.
"""
# torch's Function is untyped, and its methods take whatever `apply` was given.
# mypy: disable-error-code="override,no-untyped-call,no-any-return"

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def product(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    transposed: bool = False,
) -> torch.Tensor:
    """X Wᵀ + b; `transposed`: x W + b, as GPT-2 keeps its weights."""
    return _Product.apply(x, weight, bias, transposed)


def lookup(ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Rows of a table; the gradients of equal ids are summed in fp32 before they are added."""
    return _Lookup.apply(ids, weight)


def root_mean_square(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Llama's norm: x / √(mean x² + ε) · weight, computed in fp32."""
    return _RootMeanSquare.apply(x, weight, epsilon)


def rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary positions: x · cosine + halves of x, swapped and the first negated, · sine.

    x: tokens × heads × size; cosine, sine: tokens × 1 × size, with two equal halves.
    """
    return _Rotation.apply(x, cosine, sine)


def gated_silu(both: torch.Tensor) -> torch.Tensor:
    """silu(a) · b of a tensor that holds a and b side by side."""
    return _GatedSilu.apply(both)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, transposed: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias, ctx.transposed = bias, transposed
        return functional.linear(x, weight.t() if transposed else weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        x, weight = ctx.saved_tensors
        rows, inputs = grad.flatten(0, -2), x.flatten(0, -2)
        if weight.grad is not None:
            weight.grad.addmm_(*((inputs.t(), rows) if ctx.transposed else (rows.t(), inputs)))
        if ctx.bias is not None and ctx.bias.grad is not None:
            _add_sum(ctx.bias.grad, rows)
        back = rows @ (weight.t() if ctx.transposed else weight)
        return back.view(x.shape), None, None, None


def _add_sum(to: torch.Tensor, rows: torch.Tensor) -> None:
    if rows.device.type == "cpu":
        to.add_(rows.sum(0))
    else:  # a product with ones: GPUs' kernels for sums are slow at columns of numbers
        to.addmv_(rows.t(), rows.new_ones(len(rows)))


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(ids, weight)
        return functional.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        ids, weight = ctx.saved_tensors
        seen, places = ids.flatten().unique(return_inverse=True)
        sums = torch.zeros(len(seen), grad.size(-1), device=grad.device)
        sums.index_add_(0, places, grad.flatten(0, -2).float())
        weight.grad.index_add_(0, seen, sums.to(weight.dtype))
        return None, None


class _RootMeanSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        exact = x.float()
        norm = torch.linalg.vector_norm(exact, dim=-1, keepdim=True)
        scale = (norm.square_().div_(x.size(-1))).add_(epsilon).rsqrt_()
        shape = exact * scale
        ctx.save_for_backward(shape, scale, weight)
        return torch.mul(shape, weight).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        shape, scale, weight = ctx.saved_tensors
        exact = grad.float()
        product = exact * shape
        if weight.grad is not None:
            weight.grad.add_(product.flatten(0, -2).sum(0))
        mean = (product @ weight.float()).div_(shape.size(-1))[..., None]
        back = (exact * weight).addcmul_(shape, mean, value=-1).mul_(scale)
        return back.to(grad.dtype), None, None


class _Rotation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turned(x, cosine, sine, -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        cosine, sine = ctx.saved_tensors
        return _turned(grad, cosine, sine, 1), None, None


def _turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, sign: int) -> torch.Tensor:
    """Forwards, or with a sign of 1 backwards; half by half, so that nothing is copied first."""
    out = torch.mul(x, cosine)
    (first, second), (out_first, out_second) = x.chunk(2, -1), out.chunk(2, -1)
    sine_first, sine_second = sine.chunk(2, -1)
    out_first.addcmul_(second, sine_first, value=sign)
    out_second.addcmul_(first, sine_second, value=-sign)
    return out


class _GatedSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: torch.Tensor) -> torch.Tensor:
        gate, up = both.chunk(2, -1)
        opened = functional.silu(gate)
        ctx.save_for_backward(both, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        both, opened = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        back = torch.empty_like(both)
        for_gate, for_up = back.chunk(2, -1)
        torch.mul(grad, opened, out=for_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=for_gate)
        return back
