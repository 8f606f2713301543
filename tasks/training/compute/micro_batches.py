"""Memory: how it is asked for, how much was needed, and smaller micro-batches when it runs out."""

from __future__ import annotations

import ctypes
import logging
import resource
import sys
from collections.abc import Callable, Iterator

import torch

from tasks.training.compute.gpu import is_out_of_memory
from tasks.training.data.batches import Batch

log = logging.getLogger("huggingtweets")

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next step, where that is the C library.

    Else each large tensor is new pages from the kernel, which zeroes them. Measured with
    SmolLM2-135M on two cores: half the page faults, and steps 4 % shorter.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def peak_memory(device: torch.device) -> int:
    """The most bytes that were held: of the GPU since its last reset, or of this process so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes, but bytes on a Mac
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class MicroBatches:
    """Splits batches into as few micro-batches as memory allows, and accumulates gradients.

    How many tokens fit is learnt from failures, and remembered.
    needed: whether a batch did not fit whole.
    """

    def __init__(self) -> None:
        self.needed = False
        self._tokens: int | None = None  # that fit at once, padding included

    def backward(
        self, one: Callable[[Batch], torch.Tensor], batch: Batch, clear: Callable[[], object]
    ) -> torch.Tensor:
        """`one` for each micro-batch of the batch; returns the sum of what it returns.

        clear: undoes what micro-batches have accumulated before the one that did not fit.
        Raises torch.OutOfMemoryError where one document alone does not fit.
        """
        while True:
            total = self._try(one, batch)
            if total is not None:
                return total
            clear()
            torch.cuda.empty_cache()

    def _try(self, one: Callable[[Batch], torch.Tensor], batch: Batch) -> torch.Tensor | None:
        # The exception holds the failed tensors, so that it must be gone before the next attempt.
        rows, width = batch.ids.shape
        fit = rows if self._tokens is None else max(1, min(rows, self._tokens // width))
        try:
            return torch.stack([one(micro_batch) for micro_batch in split(batch, fit)]).sum()
        except RuntimeError as error:
            if fit == 1 or not is_out_of_memory(error):
                raise
        self.needed = True
        self._tokens = (fit + 1) // 2 * width
        log.warning("out of memory at %d tokens at once; trying %d", fit * width, self._tokens)
        return None


def split(batch: Batch, rows: int) -> Iterator[Batch]:
    """The batch in micro-batches of so many rows at most."""
    if rows >= len(batch.ids):
        yield batch
        return
    for ids, labels in zip(*(torch.split(t, rows) for t in (batch.ids, batch.labels)), strict=True):
        yield Batch(ids, labels, int((labels[:, 1:] >= 0).sum()))
