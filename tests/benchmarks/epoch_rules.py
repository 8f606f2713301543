"""What rules to plan and to end a training would have chosen on measured curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tests.benchmarks.epochs import Curve, Point


@dataclass(frozen=True)
class Chosen:
    """What a rule came to.

    loss: of the weights that it keeps, in nats a token. seconds: of a processor, evaluations at the
    rule's own points included. epochs: when it ended.
    """

    loss: float
    seconds: float
    epochs: float


# By the number of planned epochs, all curves of one corpus.
Curves = dict[int, "Curve"]
Rule = Callable[[Curves], Chosen]


def stopping(
    plan: int,
    points: Sequence[float],
    *,
    patience: int,
    gain: float = 0.0,
    one_in: int = 1,
    once_from: float = math.inf,
) -> Rule:
    """Measure after so many epochs, and end after more than `patience` evaluations without a gain.

    gain: what counts as one after the first epoch, in nats a token. one_in: of so many held-out
    posts one decides; the loss is that of all. once_from: tokens from which one epoch is enough.
    """

    def choose(curves: Curves) -> Chosen:
        curve = curves[plan]
        best = sum(curve.base[::one_in]) / sum(curve.lengths[::one_in])
        kept, without = sum(curve.base) / sum(curve.lengths), 0
        ended, trained, evaluated = 0.0, 0.0, 0.0
        for epochs, point in _points(curve):
            if epochs not in points:
                continue
            evaluated += point.evaluated / one_in
            ended, trained = epochs, point.trained
            loss = sum(point.nats[::one_in]) / sum(curve.lengths[::one_in])
            enough = gain if epochs > 1 else 0.0
            without = 0 if loss < best - enough else without + 1
            if loss < best:
                best, kept = loss, sum(point.nats) / sum(curve.lengths)
            if without > patience or (epochs == 1 and curve.epoch_tokens >= once_from):
                break
        return Chosen(kept, trained + evaluated, ended)

    return choose


def _points(curve: Curve) -> Iterator[tuple[float, Point]]:
    parts = len(curve.points) // curve.plan
    return (((number + 1) / parts, point) for number, point in enumerate(curve.points))


QUARTERS = (0.5, 1.0, 1.25, 1.5, 1.75, 2.0)
EIGHT = tuple(n / 4 for n in range(1, 9))
RULES: dict[str, Rule] = {
    "2 epochs, halves, patience 1": stopping(2, (0.5, 1.0, 1.5, 2.0), patience=1),
    "2 epochs, never": stopping(2, (2.0,), patience=9),
    "2 epochs, the best of all points": stopping(2, EIGHT, patience=9),
    "halves, patience 0": stopping(2, (0.5, 1.0, 1.5, 2.0), patience=0),
    "quarters, patience 0": stopping(2, QUARTERS, patience=0),
    "… gain 0.01": stopping(2, QUARTERS, patience=0, gain=0.01),
    "… gain 0.02": stopping(2, QUARTERS, patience=0, gain=0.02),
    "… gain 0.02, patience 1": stopping(2, QUARTERS, patience=1, gain=0.02),
    "… and once from 20,000 tokens": stopping(2, QUARTERS, patience=1, gain=0.02, once_from=20_000),
    "… half of the posts decide": stopping(2, QUARTERS, patience=0, gain=0.02, one_in=2),
    "… not at 0.5": stopping(2, QUARTERS[1:], patience=0, gain=0.02),
    "always at 1": stopping(2, (0.5, 1.0), patience=9),
    "always at 1.25": stopping(2, (0.5, 1.0, 1.25), patience=9),
    "1 epoch planned": stopping(1, (0.5, 1.0), patience=0),
}


def print_tables(curves: Sequence[Curve], left_out: Sequence[str]) -> None:
    """The curves, and what each rule would have chosen."""
    corpora: dict[str, Curves] = {}
    for curve in curves:
        corpora.setdefault(_label(curve), {})[curve.plan] = curve
    left_out = [_label(curve) for curve in curves if curve.corpus in left_out]
    ordered = dict(sorted(corpora.items(), key=lambda each: each[1][max(each[1])].epoch_tokens))
    console = Console(width=170)
    console.print(_curves(ordered, left_out))
    whole = {name: curves for name, curves in ordered.items() if 2 in curves}
    console.print(_rules(whole, left_out))


def _label(curve: Curve) -> str:
    return f"{curve.corpus}, seed {curve.seed}" if curve.seed else curve.corpus


def _curves(corpora: dict[str, Curves], left_out: Sequence[str]) -> Table:
    table = Table(title="Held-out loss after so many epochs, nats a token")
    for column in (
        "corpus",
        "posts",
        "tokens",
        "held out",
        "plan",
        *(f"{n / 4:g}" for n in range(1, 9)),
    ):
        table.add_column(column, justify="right")
    for name, curves in corpora.items():
        for plan, curve in sorted(curves.items(), reverse=True):
            at = dict(_points(curve))
            losses = [
                f"{sum(at[n / 4].nats) / sum(curve.lengths):.3f}" if n / 4 in at else ""
                for n in range(1, 9)
            ]
            mark = " (left out)" if name in left_out else ""
            table.add_row(
                name + mark, str(curve.posts), str(curve.epoch_tokens), str(curve.held_out),
                str(plan), *losses,
            )  # fmt: skip
    return table


def _rules(corpora: dict[str, Curves], left_out: Sequence[str]) -> Table:
    table = Table(
        title="What each rule keeps, against the first: nats a token, and its share of the seconds"
    )
    table.add_column("rule")
    for name in corpora:
        table.add_column(name, justify="right")
    for title in ("mean, chosen by", "worst", "seconds", "mean, left out", "seconds"):
        table.add_column(title, justify="right")
    first = next(iter(RULES.values()))
    before = {name: first(curves) for name, curves in corpora.items()}
    for title, rule in RULES.items():
        found = {}
        for name, curves in corpora.items():
            try:
                found[name] = rule(curves)
            except KeyError:  # not measured with so many epochs
                continue
        cells = [_cell(found[name], before[name]) if name in found else "" for name in corpora]
        table.add_row(title, *cells, *_summary(found, before, left_out))
    return table


def _cell(found: Chosen, before: Chosen) -> str:
    return f"{found.loss - before.loss:+.3f} {found.seconds / before.seconds:.2f}"


def _summary(
    found: dict[str, Chosen], before: dict[str, Chosen], left_out: Sequence[str]
) -> Iterator[str]:
    for names in ([n for n in found if n not in left_out], [n for n in found if n in left_out]):
        differences = [found[name].loss - before[name].loss for name in names]
        shares = [found[name].seconds / before[name].seconds for name in names]
        yield f"{mean(differences):+.3f}" if names else ""
        if names and names[0] not in left_out:
            yield f"{max(differences):+.3f}"
        yield f"{mean(shares):.2f}" if names else ""
