"""Which arithmetic a training uses."""

from __future__ import annotations

import torch

from tasks.core.errors import BadInput
from tasks.training.compute.gpu import best_device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 products are faster than fp32 ones here.

    A GPU needs units for them: a T4 only emulates bf16. A CPU needs AMX or AVX512-BF16. Measured
    with SmolLM2-135M and 512 tokens a step on two cores with AVX512-BF16 and no AMX: autocast
    trains 2.4 to 2.9 times as fast as fp32 (409 against 143 to 169 tokens a second).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return any(
        bool(probe())
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        if (probe := getattr(torch.cpu, name, None)) is not None
    )


def describe_device() -> str:
    """Torch's version, the device that it trains on, and whether bf16 is fast there."""
    device = best_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    cores = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    fast = "fast bf16" if has_fast_bf16(device) else "no fast bf16: trains in fp32"
    return f"torch {torch.__version__} on {name}{cores}, {fast}"


def choose_precision(asked: str, device: torch.device) -> str:
    """`bf16` or `fp32`, where `auto` was asked the faster one. Raises BadInput."""
    if asked == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    if asked not in ("bf16", "fp32"):
        raise BadInput(f"precision {asked!r} is unknown: use auto, bf16 or fp32")
    return asked
