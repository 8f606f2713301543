"""The learning rate of each step, as a share of the highest."""

from __future__ import annotations

import math
from dataclasses import replace

from tasks.core.records import Spec

# The highest learning rate, measured with SmolLM2-135M (docs/training.md): few steps at 2e-4 do
# not teach where posts end. After 10 steps on 42 posts of 24 tokens it wrote posts of 71 to 87, at
# 4.43 nats; at 3e-4 of 21 to 27, at 4.37. From 18 steps on 3e-4 ended up to 0.18 higher.
RATE, RATE_IN_FEW = 2e-4, 3e-4
FEW_STEPS = 16
# Of an adapter. Measured with rank 64 on real accounts; training all weights wants less.
ADAPTER_RATE = 1.5e-3

# Steps at least in which the rate rises, or a quarter of all where these are few. AdamW's first
# step moves every weight by the whole rate, which can destroy the attention sink (see
# `first_token_ramp`): it did in two of 15 short trainings, at 0.3 and 0.4 nats a token.
LEAST_WARMUP = 4

# Of a warm start (docs/training.md): at a share of the rate of a training from the base, once.
WARM_RATE, WARM_EPOCHS = 0.5, 1


def warm_spec(spec: Spec) -> Spec:
    """How a warm start reads a bot's new posts, where trainings from the base follow `spec`."""
    rate = WARM_RATE * (spec.learning_rate or RATE)
    return replace(spec, learning_rate=rate, epochs=WARM_EPOCHS, evaluations=1)


def default_rate(mode: str, steps: int) -> float:
    """The highest learning rate of a training of so many steps, where none was asked for."""
    if mode == "adapter":
        return ADAPTER_RATE
    return RATE_IN_FEW if steps < FEW_STEPS else RATE


def rates(highest: float, steps: int, spec: Spec) -> list[float]:
    """The learning rate of each of so many steps."""
    return [highest * share(step, steps, spec.warmup, spec.schedule) for step in range(steps)]


def share(step: int, steps: int, warmup: float, schedule: str) -> float:
    """The share of the highest rate at `step` of `steps` (from 0): up, then to zero or nowhere.

    warmup: the share of the steps in which it rises; with 0 the first step has the highest rate.
    """
    least = min(LEAST_WARMUP, steps // 4) if warmup else 0
    rising = max(1, least, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    done = (step - rising) / max(steps - rising, 1)
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done
