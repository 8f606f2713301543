"""What only a GPU needs, all in one place; on another device each function does nothing.

No GPU is there when the tests run: they run this with stand-ins for `torch.cuda`, and
`make gpu` checks it on a GPU.
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

log = logging.getLogger("huggingtweets")

Result = TypeVar("Result")
_RANDOM_STATE = "chance_gpu"  # the name in stored training states
# As sysexits.h has it: an internal error. Whoever supervises the process starts it again.
EXIT_CODE = 70


class Synchronizes(Exception):
    """Work that waits for the GPU, and so cannot be captured as a CUDA graph."""


@cache
def best_device() -> torch.device:
    """The GPU, if this build of torch computes on it, else the CPU."""
    if not torch.cuda.is_available():
        return _apple_gpu() or torch.device("cpu")
    try:
        one = torch.ones(1, 1, device="cuda")
        float(one @ one)
    except RuntimeError as error:  # such as a card that this build has no kernels for
        reason = str(error).strip().partition("\n")[0]
        version = torch.__version__
        log.warning("using the CPU, since torch %s fails on the GPU: %s", version, reason)
        return torch.device("cpu")
    return torch.device("cuda")


def _apple_gpu() -> torch.device | None:
    """A Mac's GPU, if there is one and it computes what the CPU does."""
    if not torch.backends.mps.is_available():
        return None
    from tasks.training.compute.device_trial import agrees_with_cpu

    device = torch.device("mps")
    return device if agrees_with_cpu(device) else None


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device; copying does not wait for what a GPU is doing."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device ran out of memory: torch has two exceptions for that, not related."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    says_so = "out of memory" in str(error)
    is_accelerators = isinstance(error, torch.AcceleratorError) or str(error).startswith("MPS")
    return says_so and is_accelerators


class Recorder:
    """Does work on a stream of its own, and records it as a CUDA graph."""

    def __init__(self) -> None:
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # so in torch

    @staticmethod
    def may_record() -> bool:
        """Whether no capture has failed on this machine."""
        return not _failed_before().exists()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Within the block the GPU works on that stream, after all and before all that is outside.

        What a library sets up for a stream at its first use is there when it is recorded.
        """
        outside = torch.cuda.current_stream()
        self._stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outside.wait_stream(self._stream)

    def check(self, work: Callable[[], object]) -> None:
        """Do the work. Raises Synchronizes where it waits for the GPU."""
        with self.stream():
            torch.cuda.set_sync_debug_mode("error")
            try:
                work()
            except RuntimeError as error:
                if "called a synchronizing" not in str(error):
                    raise
                raise Synchronizes(str(error).partition("\n")[0]) from None
            finally:
                torch.cuda.set_sync_debug_mode("default")

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Record the work without doing it: what it returns, and what replays it.

        Ends the process where the work cannot be captured: torch cannot use the GPU afterwards.
        Raises torch.OutOfMemoryError.
        """
        graph = torch.cuda.CUDAGraph()
        try:
            # What other threads do, such as pinning memory, is no business of this capture.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                result = work()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise torch.OutOfMemoryError("no memory for a CUDA graph") from None
            _end_process(error)
        return result, graph.replay


def _failed_before() -> Path:
    """The file that says so, until the machine clears its temporary files."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    name = f"huggingtweets-{user}-no-cuda-graphs-torch-{torch.__version__}"
    return Path(tempfile.gettempdir()) / name


def _end_process(error: BaseException) -> None:
    with suppress(OSError):
        _failed_before().touch()
    log.critical(
        "a CUDA graph could not be captured (%s); ending this process, since torch cannot use the "
        "GPU in it any more. The next one trains without CUDA graphs; delete %s to try them again",
        error,
        _failed_before(),
    )
    logging.shutdown()
    os._exit(EXIT_CODE)


@contextmanager
def same_random_numbers(device: torch.device) -> Iterator[None]:
    """Random numbers that are drawn in the block are drawn again after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


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


def free_memory() -> None:
    """Give back what nothing refers to any more, circles of objects included."""
    gc.collect()
    torch.cuda.empty_cache()
