"""The benchmark's tables: what each bot cost, and the ratios that are aimed at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import mean

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measured import PHASES, Measured

REACHING = "training time to the original's final held-out loss, (a) over (c)"
WHOLE = "a whole bot, (a) over (c)"
SPEED = "tokens/s in training, (c) over (a)"
GPT2_SPEED = "tokens/s at GPT-2's size, ours over (a)"
BESIDE = "seconds beside training steps, a warm bot"
LOSS = "held-out loss, (c) minus (a)"
# What is aimed at on two CPU cores with SmolLM2-135M, and on one H200.
AIMS = {
    REACHING: ("≥", 12.0, 15.0),
    WHOLE: ("≥", 7.0, 20.0),
    SPEED: ("≥", 2.5, 8.0),
    GPT2_SPEED: ("≥", 3.5, 8.0),
    BESIDE: ("≤", 8.0, 1.0),
    LOSS: ("≤", -0.15, -0.15),
}


@dataclass(frozen=True)
class Target:
    """A figure that is aimed at, with what was measured for each account, and for all."""

    name: str
    by_account: dict[str, float | None]
    figure: float | None


def _of(rows: Iterable[Measured], arm: str, account: str) -> list[Measured]:
    return [row for row in rows if row.arm == arm and row.account == account]


def time_to(loss: float, ours: Measured) -> float | None:
    """Seconds until a training first had this held-out loss or less; None where it never had."""
    return next((seconds for seconds, there in ours.reached if there <= loss), None)


def targets(rows: list[Measured], sized: list[Measured]) -> list[Target]:
    """All figures that are aimed at; None where an arm is missing or a loss was never reached."""
    figures: dict[str, Callable[[Measured, list[Measured]], float | None]] = {
        REACHING: _reaching,
        WHOLE: lambda a, c: a.total / mean(row.total for row in c),
        SPEED: lambda a, c: mean(row.speed for row in c) / a.speed,
        BESIDE: lambda _a, c: mean(row.total - row.seconds["train"] for row in c),
        LOSS: lambda a, c: mean(row.held_out for row in c) - a.held_out,
    }
    pairs = [
        (row, warm)
        for row in rows
        if row.arm == "original" and (warm := _of(rows, "ours, warm", row.account))
    ]
    results = []
    for name, figure in figures.items():
        by_account = {original.account: figure(original, warm) for original, warm in pairs}
        results.append(Target(name, by_account, _worst(name, list(by_account.values()))))
    if sized:
        results.append(Target(GPT2_SPEED, {}, sized[-1].speed / sized[0].speed))
    return results


def _worst(name: str, figures: list[float | None]) -> float | None:
    """Of all accounts; None where one has no figure, or none was measured."""
    known = [figure for figure in figures if figure is not None]
    if not known or len(known) < len(figures):
        return None
    return max(known) if AIMS[name][0] == "≤" else min(known)


def _reaching(original: Measured, warm: list[Measured]) -> float | None:
    times = [time_to(original.held_out, row) for row in warm]
    found = [seconds for seconds in times if seconds is not None]
    return original.seconds["train"] / mean(found) if len(found) == len(times) else None


def print_tables(
    machine: str, rows: list[Measured], sized: list[Measured], judged: list[Target]
) -> None:
    """Both tables."""
    console = Console(width=170)
    console.print(_costs(machine, rows, sized))
    console.print(_judgement(judged))


def _costs(machine: str, rows: list[Measured], sized: list[Measured]) -> Table:
    table = Table(title=f"Seconds a bot; {machine}")
    table.add_column("arm", no_wrap=True)
    table.add_column("account", no_wrap=True)
    more = ("total", "tokens/s", "peak GiB", "MFU", "held out", "to (a)'s loss, s", "bots an hour")
    for column in (*PHASES, *more):
        table.add_column(column, justify="right")
    final = {row.account: row.held_out for row in rows if row.arm == "original"}
    for row in rows:
        table.add_row(*_cells(row, final.get(row.account)))
    for row in sized:
        table.add_row(*_cells(replace(row, account="GPT-2 size"), None))
    return table


def _cells(row: Measured, aim: float | None) -> list[str]:
    reached = None if aim is None else time_to(aim, row)
    return [
        row.arm,
        row.account,
        *(f"{row.seconds[phase]:.1f}" for phase in PHASES),
        f"{row.total:.1f}",
        f"{row.speed:,.0f}",
        f"{row.peak:.1f}",
        f"{row.mfu:.0%}" if row.mfu is not None else "–",
        f"{row.held_out:.3f}" if row.held_out else "–",
        f"{reached:.1f}" if reached is not None else "–",
        f"{3600 / row.total:,.0f}",
    ]


def _judgement(judged: list[Target]) -> Table:
    table = Table(title="Aims, on 2 CPU cores and on one H200; the figure is the worst account's")
    for column in ("figure", "by account", "measured", "CPU", "H200"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for target in judged:
        sign, cpu, gpu = AIMS[target.name]
        parts = [f"{name} {_number(figure)}" for name, figure in target.by_account.items()]
        table.add_row(
            target.name,
            ", ".join(parts),
            _number(target.figure),
            f"{sign} {cpu:g}",
            f"{sign} {gpu:g}",
        )
    return table


def _number(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}"
