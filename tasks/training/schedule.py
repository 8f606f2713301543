"""The learning rate of each step, as a share of the highest."""

from __future__ import annotations

import math

# The highest learning rate, measured on accounts of 42, 99, 359 and 499 posts with SmolLM2-135M:
# 3e-4 went astray in the first steps with some seeds and ended up to 0.8 nats worse, 1e-4 is slow.
RATE = 2e-4


def share(step: int, steps: int, warmup: float, schedule: str) -> float:
    """The share of the highest rate at `step` of `steps` (from 0): up, then to zero or nowhere."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    done = (step - rising) / max(steps - rising, 1)
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done
