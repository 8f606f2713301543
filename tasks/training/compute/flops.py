"""How much arithmetic a training is, and how much the device could have done."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch

# Dense bf16 products with fp32 sums, in FLOP/s, from NVIDIA's data sheets of each card; T4 and V100
# have no bf16, so fp16. The first name that is found in the device's counts.
_PEAKS = (
    ("GB200", 2.5e15),
    ("B200", 2.25e15),
    ("GH200", 989e12),
    ("H200", 989e12),
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),
    ("A100", 312e12),
    ("A10G", 70e12),
    ("A10", 125e12),
    ("L40S", 362e12),
    ("L4", 121e12),
    ("T4", 65e12),
    ("V100", 125e12),
)
# Sides of the square products that a CPU's peak is measured by. The last is large enough for its
# best; a CPU without bf16 units would need seconds for each of them, and shows its best before.
_SIDES = [256] * 4 + [512] * 4 + [1024] * 8
_ENOUGH = 0.2  # seconds after which no other product begins


def training_flops(model: Any, documents: Iterable[int], *, frozen: bool = False) -> float:
    """The FLOPs of forward and backward passes over documents of these lengths, no padding.

    frozen: whether the weights are not trained themselves but an adapter's are: then a third of the
    work, the weights' gradients, is not done, and the adapter's own is left out.

    6 for each weight in a product and token, and 12 · layers · width · length for each token's
    attention (Chowdhery et al., PaLM, arXiv:2204.02311, appendix B; masked scores count as well).
    """
    config = model.config.get_text_config()
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    weights = sum(parameter.numel() for parameter in model.parameters())
    weights -= 0 if table is head else table.numel()  # a look-up is no product
    attention = 12 * config.num_hidden_layers * config.hidden_size
    products = 4 if frozen else 6
    return float(sum(length * (products * weights + attention * length) for length in documents))


def peak_flops(device: torch.device, precision: str) -> tuple[float | None, str]:
    """The FLOP/s that the device can do at most, or None, and where the number comes from."""
    if device.type == "cuda":
        return peak_of_gpu(torch.cuda.get_device_name(device))
    if device.type != "cpu":
        return None, f"{device.type} is not in the table"
    return _measured(torch.bfloat16 if precision == "bf16" else torch.float32)


def peak_of_gpu(name: str) -> tuple[float | None, str]:
    """The same for a GPU of this name."""
    for known, peak in _PEAKS:
        if re.search(rf"\b{known}\b", name):
            return peak, f"data sheet of {known}, dense bf16"
    return None, f"{name[:60]} is not in the table"


@cache
def _measured(dtype: torch.dtype) -> tuple[float, str]:
    rates: list[float] = []
    enough = time.perf_counter() + _ENOUGH
    for side in _SIDES:
        one = torch.ones(side, side, dtype=dtype)
        begun = time.perf_counter()
        torch.mm(one, one)
        ended = time.perf_counter()
        rates.append(2 * side**3 / (ended - begun))
        if ended > enough:
            break
    return max(rates), f"measured: best of {len(rates)} products of up to {side} x {side}"
