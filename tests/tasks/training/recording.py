"""What stands in for a GPU that records work: it remembers it, and does it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tasks.training.compute import gpu


class FakeRecorder:
    """Replays by doing the work again, whose inputs must have stayed in their place in memory.

    room: recordings that there is memory for; beyond, `error` is raised.
    synchronizes: as if the work waited for the GPU.
    """

    def __init__(self, *, room: int = 99, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.room, self.error, self.synchronizes = room, error, False
        self.checks = self.captures = self.replays = self.streamed = 0
        self.before_replay: Callable[[], object] = lambda: None

    def may_record(self) -> bool:
        return True

    @contextmanager
    def stream(self) -> Iterator[None]:
        self.streamed += 1
        yield

    def check(self, work: Callable[[], object]) -> None:
        self.checks += 1
        work()
        if self.synchronizes:
            raise gpu.Synchronizes("made in a test")

    def record(self, work: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        if self.captures == self.room:
            raise self.error("CUDA error: out of memory, made in a test")
        self.captures += 1
        result = torch.zeros(())

        def replay() -> None:
            self.before_replay()
            self.replays += 1
            found = work()
            if found is not None:
                result.copy_(found)

        return result, replay
