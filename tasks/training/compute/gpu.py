"""What only a GPU needs. No test reaches these lines, so that they are few, and all here.

Coverage leaves this file out (`pyproject.toml`). On another device each function does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

from tasks.training.data.batches import Batch

Result = TypeVar("Result")
_RANDOM_STATE = "chance_gpu"  # the name in stored training states


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the GPU; copying does not wait for what the GPU is doing."""
    if device.type != "cuda":
        return batch
    ids, labels = (part.pin_memory() for part in (batch.ids, batch.labels))
    ids, labels = (part.to(device, non_blocking=True) for part in (ids, labels))
    return Batch(ids, labels, batch.tokens)


def captured(work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
    """Record work as a CUDA graph without doing it: what it returns, and what replays it."""
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        result = work()
    return result, graph.replay


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of the GPU's random number generator, by the name under which it is stored."""
    if device.type != "cuda":
        return {}
    return {_RANDOM_STATE: torch.cuda.get_rng_state(device)}


def set_random_state(device: torch.device, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put such a state back, where there is one among the tensors."""
    if device.type == "cuda" and _RANDOM_STATE in tensors:
        torch.cuda.set_rng_state(tensors[_RANDOM_STATE], device)


def reset_peak_memory(device: torch.device) -> None:
    """Measure the most memory in use from now on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
