"""The ways to a loss, made alike."""

from __future__ import annotations

from typing import Any

from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.loss import PlainLoss


def loss_by(way: type[PlainLoss], model: Any, weights: FlatWeights) -> PlainLoss:
    return way(model) if way is PlainLoss else way(model, weights)  # type: ignore[call-arg]
