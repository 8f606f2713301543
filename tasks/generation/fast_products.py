"""Products whose weights lie as a CPU's bf16 kernels read them, for writing only.

Of a row-major weight the kernel makes such a copy at every call. Measured with SmolLM2-135M on two
cores with AVX512-BF16: all products of a pass take 6 ms instead of 10 for 4 rows, 10 instead of 14
for 16, and 33 instead of 40 for 100; the numbers are the same to rounding.
"""

from __future__ import annotations

from typing import Any

import torch

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


def can_pack(parameter: torch.Tensor) -> bool:
    """Whether products with such a parameter can be packed here."""
    kernels: Any = torch.ops.mkldnn
    fits = parameter.device.type == "cpu" and parameter.dtype is torch.bfloat16
    there = fits and all(hasattr(kernels, name) for name in _KERNELS)
    return there and bool(kernels._is_mkldnn_bf16_supported())  # noqa: SLF001 - see _KERNELS


def pack(model: torch.nn.Module) -> None:
    """Put packed products in the places of all in the model, whose weights are gone then."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear or _is_transposed(child):
                setattr(module, name, PackedProduct(child))


def _is_transposed(product: torch.nn.Module) -> bool:
    """Whether it is transformers' Conv1D; by its name, since to import it takes seconds."""
    return type(product).__name__ == "Conv1D"
