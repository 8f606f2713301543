"""Products as a CPU computes them fastest for few rows, for writing only.

In bf16 the weights lie as the kernels read them; of a row-major weight a copy is made at every call
otherwise. Measured with SmolLM2-135M on two cores with AVX512-BF16: all products of a pass take
6 ms instead of 10 for 4 rows, 10 instead of 14 for 16, and 33 instead of 40 for 100.

In fp32 the weights come first: MKL shares a product between cores by the rows of its first matrix,
so that few rows keep one core busy. Measured on two cores of an AMD EPYC without bf16 units: a
pass of 5 rows takes half as long, of 100 rows four fifths, of one row as long as before.

The numbers are the same to rounding in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tasks.generation.lean_layers import Product

# What torch's own compiler calls for the same purpose.
_KERNELS = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")


class PackedProduct(torch.nn.Module):
    """Does what the Linear or the Conv1D does that it is made from."""

    def __init__(self, product: Any) -> None:
        super().__init__()
        weight = product.weight.detach()
        transposed = weight.t().contiguous() if _is_transposed(product) else weight
        self.weight = torch.ops.mkldnn._reorder_linear_weight(transposed)  # noqa: SLF001 - see _KERNELS
        self.bias = None if product.bias is None else product.bias.detach()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The product of the inputs' last dimension."""
        run = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - see _KERNELS
        return run(inputs.contiguous(), self.weight, self.bias, "none", [], "")  # type: ignore[no-any-return]  # torch.ops is untyped


class WeightsFirst(torch.nn.Module):
    """Does what the Linear does that it is made from, as weights × inputs."""

    def __init__(self, product: torch.nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = product.weight, product.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The product of the inputs' last dimension."""
        columns = inputs.reshape(-1, inputs.size(-1)).t()
        found = torch.mm(self.weight, columns)
        if self.bias is not None:
            found += self.bias[:, None]
        return found.t().reshape(*inputs.shape[:-1], -1)


def use_fast_products(model: torch.nn.Module) -> bool:
    """Put the fastest products in the places of the model's; whether it has others now.

    Its own weights may be gone then.
    """
    parameter = next(model.parameters())
    if can_pack(parameter):
        _replace(model, PackedProduct, lambda child: _is_linear(child) or _is_transposed(child))
    elif _is_shared_by_first(parameter):
        _replace(model, WeightsFirst, _is_linear)
    else:
        return False
    return True


def can_pack(parameter: torch.Tensor) -> bool:
    """Whether products with such a parameter can be packed here."""
    kernels: Any = torch.ops.mkldnn
    fits = parameter.device.type == "cpu" and parameter.dtype is torch.bfloat16
    there = fits and all(hasattr(kernels, name) for name in _KERNELS)
    return there and bool(kernels._is_mkldnn_bf16_supported())  # noqa: SLF001 - see _KERNELS


def _is_shared_by_first(parameter: torch.Tensor) -> bool:
    """Whether MKL computes such products, on more than one core."""
    on_cpu = parameter.device.type == "cpu" and parameter.dtype is torch.float32
    return on_cpu and _has_mkl() and torch.get_num_threads() > 1


def _has_mkl() -> bool:
    return bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]  # so in torch


def _replace(
    model: torch.nn.Module,
    kind: Callable[[Any], torch.nn.Module],
    chosen: Callable[[torch.nn.Module], bool],
) -> None:
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if chosen(child):
                setattr(module, name, kind(child))


def _is_linear(product: torch.nn.Module) -> bool:
    return type(product) in (torch.nn.Linear, Product)


def _is_transposed(product: torch.nn.Module) -> bool:
    """Whether it is transformers' Conv1D; by its name, since to import it takes seconds."""
    return type(product).__name__ == "Conv1D"
