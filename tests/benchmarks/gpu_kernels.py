"""The kernels of a step on a GPU, by kind of work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.benchmarks.gpu_bench import Bench

# By parts of kernels' names, the first that is found.
_ATTENTION = ("fmha", "flash", "sdpa", "mha_")
_PRODUCTS = ("gemm", "gemv", "nvjet", "xmma", "cutlass", "splitk", "cublas")
# The optimizer begins with the norm of all gradients, and is the end of a step.
_NORM_OF_GRADIENTS = "NormTwo"
_DEAREST = 6


@dataclass(frozen=True)
class Kernel:
    """seconds: that it ran."""

    name: str
    seconds: float
    kind: str = "the rest"


def kernels_of(bench: Bench, step: Callable[[], object]) -> list[Kernel]:
    """Those of one step, in order; dry, the operations. Copies of inputs are no kernels.

    Raises Failed.
    """
    import torch

    from tests.benchmarks.gpu_bench import Failed

    activities = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activities.CPU, activities.CUDA]) as profiler:
        step()
        bench.wait()
    kinds = torch.autograd.DeviceType
    found = sorted(
        (event.time_range.start, event.time_range.end, event.name)
        for event in profiler.events()
        if event.device_type == (kinds.CPU if bench.dry else kinds.CUDA)
        and not event.name.startswith(("Memcpy", "Memset", "ProfilerStep"))
    )
    if not found:
        raise Failed("the profiler saw no kernel")
    return by_kind([Kernel(name, (end - start) / 1e6) for start, end, name in found])


def by_kind(kernels: Sequence[Kernel]) -> list[Kernel]:
    """A step's kernels, in order, each with its kind."""
    norms = [number for number, kernel in enumerate(kernels) if _NORM_OF_GRADIENTS in kernel.name]
    optimizer = norms[-1] if norms else len(kernels)
    return [
        replace(kernel, kind="optimizer" if number >= optimizer else _kind(kernel.name))
        for number, kernel in enumerate(kernels)
    ]


def _kind(name: str) -> str:
    lower = name.lower()
    if any(part in lower for part in _ATTENTION):
        is_backward = "fmha_cutlassB" in name or "bwd" in lower or "backward" in lower
        return "attention, backward" if is_backward else "attention, forward"
    return "matrix products" if any(part in lower for part in _PRODUCTS) else "the rest"


def table_of(kernels: Sequence[Kernel]) -> list[str]:
    """Milliseconds and number of kernels by kind, and the dearest of them by name."""
    lines = []
    for kind, of_kind in _grouped(kernels, lambda kernel: kernel.kind):
        lines.append(f"{_milliseconds(of_kind):5.2f} ms {len(of_kind):5,} {kind}")
    for name, of_name in _grouped(kernels, lambda kernel: kernel.name)[:_DEAREST]:
        lines.append(f"{_milliseconds(of_name):5.2f} ms {len(of_name):5,} × {name[:90]}")
    return lines


def _grouped(
    kernels: Sequence[Kernel], key: Callable[[Kernel], str]
) -> list[tuple[str, list[Kernel]]]:
    """The dearest group first."""
    groups: dict[str, list[Kernel]] = {}
    for kernel in kernels:
        groups.setdefault(key(kernel), []).append(kernel)
    return sorted(groups.items(), key=lambda group: -_milliseconds(group[1]))


def _milliseconds(kernels: Sequence[Kernel]) -> float:
    return 1000 * sum(kernel.seconds for kernel in kernels)
