"""The loss curve of a training as inline SVG, coloured by the page's style sheet."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.gallery.entries import Entry
from tasks.publishing.loss_curve import HIGHEST, LossScale, Point


@dataclass(frozen=True)
class Curves:
    """Places in pixels of a picture of 720 × 360.

    training, held_out: the points of each line. ticks: (height, loss) of the grid.
    tokens: trained on, at the right end.
    """

    training: tuple[Point, ...]
    held_out: tuple[Point, ...]
    ticks: tuple[tuple[float, float], ...]
    tokens: float


def curves_of(entry: Entry) -> Curves | None:
    """What there is to draw: at least two losses, or None. Held-out begins with the base's."""
    training = [(tokens, loss) for tokens, loss, _ in entry.history if loss is not None]
    held_out = [(tokens, loss) for tokens, _, loss in entry.history if loss is not None]
    if entry.history and entry.base_loss is not None:
        held_out.insert(0, (0.0, entry.base_loss))
    training, held_out = (
        [(tokens, loss) for tokens, loss in line if 0 <= loss <= HIGHEST]
        for line in (training, held_out)
    )
    if len(training) + len(held_out) < 2:
        return None
    scale = LossScale([*training, *held_out])
    return Curves(
        tuple((scale.x(tokens), scale.y(loss)) for tokens, loss in training),
        tuple((scale.x(tokens), scale.y(loss)) for tokens, loss in held_out),
        tuple((scale.y(tick), tick) for tick in scale.ticks),
        scale.tokens,
    )
