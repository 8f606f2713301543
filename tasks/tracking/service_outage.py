"""Remembers that the service failed, so that only the first of many bots waits for its timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Outage:
    """Whether a service failed recently.

    seconds: how long after a failure it is not tried.
    """

    seconds: float = 900
    clock: Callable[[], float] = time.monotonic
    _ends: float | None = field(default=None, init=False)

    @property
    def is_ongoing(self) -> bool:
        """Whether the service should not be tried now."""
        return self._ends is not None and self.clock() < self._ends

    def begin(self) -> None:
        """Note that the service has just failed."""
        self._ends = self.clock() + self.seconds
