"""Remembers that the service failed, so that only the first of many bots waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Outage:
    """Whether a service failed lately.

    seconds: how long after a failure it is left alone.
    """

    seconds: float = 900
    clock: Callable[[], float] = time.monotonic
    _ends: float | None = field(default=None, init=False)

    @property
    def lasts(self) -> bool:
        """Whether the service is to be left alone now."""
        return self._ends is not None and self.clock() < self._ends

    def begin(self) -> None:
        """Note that the service has just failed."""
        self._ends = self.clock() + self.seconds
