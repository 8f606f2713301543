"""The learning rate of each step, as a share of the highest."""

from __future__ import annotations

import math

# Measured on real accounts: small ones gain from a higher rate.
FEW_POSTS = 400
RATE_FOR_FEW = 3e-4
RATE = 2e-4


def default_rate(posts: int) -> float:
    """The highest learning rate for this number of training posts."""
    return RATE_FOR_FEW if posts < FEW_POSTS else RATE


def share(step: int, steps: int, warmup: float, schedule: str) -> float:
    """The share of the highest rate at `step` of `steps` (from 0): up, then to zero or nowhere."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    done = (step - rising) / max(steps - rising, 1)
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done
