"""The loss curve of a training, as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.publishing.png_rendering import render_png
from tasks.publishing.release_contents import ReleaseContents

NAME = "losses.png"
WIDTH, HEIGHT = 720, 360
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 44, 696, 308
_TRAINING, _HELD_OUT, _GRID = "#8b98a5", "#1d9bf0", "#e3e8ec"
_TICKS = 4
HIGHEST = 100  # nats a token; higher losses and NaN are not drawn
_CSS = f"""
.page {{ position: relative; width: {WIDTH}px; height: {HEIGHT}px; background: white;
  color: #536471; font-size: 15px; display: flex; }}
.lines {{ position: absolute; left: 0; top: 0; width: {WIDTH}px; height: {HEIGHT}px; }}
.label {{ position: absolute; white-space: nowrap; line-height: 1.2; }}
.y {{ width: 52px; left: 0; text-align: right; display: block; }}
"""

Point = tuple[float, float]


def has_losses(contents: ReleaseContents) -> bool:
    """Whether there is anything to draw: at least two losses."""
    return sum(map(len, _curves(contents).values())) >= 2


def render_losses(contents: ReleaseContents, fonts: Sequence[Path]) -> bytes | None:
    """A PNG of 720 × 360, or None where there is no loss to draw."""
    if not has_losses(contents):
        return None
    curves = _curves(contents)
    scale = LossScale([point for curve in curves.values() for point in curve])
    lines = "".join(_polyline(scale, curve, colour) for colour, curve in curves.items())
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">{_grid(scale)}{lines}</svg>'
    )
    page = f'<div class="page"><img class="lines" src="lines">{"".join(_labels(scale))}</div>'
    return render_png(page, _CSS, (WIDTH, HEIGHT), fonts, {"lines": svg.encode()})


def _curves(contents: ReleaseContents) -> dict[str, list[Point]]:
    """By colour; the held-out curve starts with the base's loss."""
    history = contents.checkpoint.history
    training = [(float(tokens), loss) for tokens, loss, _ in history]
    held_out = [(float(tokens), loss) for tokens, _, loss in history if loss is not None]
    if history:
        held_out.insert(0, (0.0, contents.evaluation.base_loss))
    return {
        colour: [(tokens, loss) for tokens, loss in curve if 0 <= loss <= HIGHEST]
        for colour, curve in ((_TRAINING, training), (_HELD_OUT, held_out))
    }


class LossScale:
    """From tokens and nats to pixels."""

    def __init__(self, points: Sequence[Point]) -> None:
        losses = [loss for _, loss in points]
        self.tokens = max(1.0, *(tokens for tokens, _ in points))
        step = _round_step((max(losses) - min(losses)) / _TICKS)
        self.lowest = math.floor(min(losses) / step) * step
        self.highest = max(math.ceil(max(losses) / step) * step, self.lowest + step)
        count = round((self.highest - self.lowest) / step)
        self.ticks = [self.lowest + step * number for number in range(count + 1)]

    def x(self, tokens: float) -> float:
        """Pixels from the left."""
        return round(_LEFT + (_RIGHT - _LEFT) * tokens / self.tokens, 1)

    def y(self, loss: float) -> float:
        """Pixels from the top."""
        share = (loss - self.lowest) / (self.highest - self.lowest)
        return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)


def _round_step(step: float) -> float:
    """The step rounded up to 1, 2 or 5 times a power of ten, at least 0.01."""
    step = max(step, 0.01)
    power = 10.0 ** math.floor(math.log10(step))
    return float(next(each * power for each in (1, 2, 5, 10) if each * power >= step * 0.999))


def _polyline(scale: LossScale, curve: Sequence[Point], colour: str) -> str:
    places = [(scale.x(tokens), scale.y(loss)) for tokens, loss in curve]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in places)
    line = " ".join(f"{x},{y}" for x, y in places)
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="3"/>{dots}'


def _grid(scale: LossScale) -> str:
    return "".join(
        f'<line x1="{_LEFT}" y1="{scale.y(tick)}" x2="{_RIGHT}" y2="{scale.y(tick)}" '
        f'stroke="{_GRID}" stroke-width="1"/>'
        for tick in scale.ticks
    )


def _labels(scale: LossScale) -> Iterator[str]:
    for tick in scale.ticks:
        yield f'<div class="label y" style="top: {scale.y(tick) - 9}px">{tick:.2f}</div>'
    yield _label(_LEFT, 12, "loss, nats a token", "#0f1419")
    yield _label(_LEFT + 190, 12, "● held-out posts", _HELD_OUT)
    yield _label(_LEFT + 350, 12, "● training posts", _TRAINING)
    yield _label(_LEFT, _BOTTOM + 14, "0")
    yield _label(_RIGHT - 240, _BOTTOM + 14, f"trained on {scale.tokens:,.0f} tokens", end=True)


def _label(left: int, top: int, text: str, colour: str = "inherit", *, end: bool = False) -> str:
    side = "width: 240px; text-align: right; display: block; " if end else ""
    return (
        f'<div class="label" style="{side}left: {left}px; top: {top}px; color: {colour}">'
        f"{text}</div>"
    )
