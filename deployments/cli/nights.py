"""`huggingtweets nights`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.checks import check_night
from deployments.cli.options import Json
from deployments.relative_times import ago

if TYPE_CHECKING:
    from tasks.operations.night_reports import Night, NightReport


def nights(
    night: Annotated[
        str | None, typer.Argument(metavar="[DATE]", help="Show what this one did, bot by bot")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the nights, or show what one of them did."""
    if night is not None:
        check_night(night)
    from tasks.operations.night_reports import list_nights, report_of
    from tasks.storage import storage_root

    if night is not None:
        report = report_of(storage_root(), night)
        if as_json:
            console.print_json(report)
        else:
            print_report(report)
        return
    found = list_nights(storage_root())
    if as_json:
        console.print_json(found)
    elif found:
        console.print_table("", [_row(each) for each in found])
    else:
        console.say_folded(
            "No night is recorded yet: `huggingtweets nightly` is one, and is recorded if a bot "
            "was due."
        )


def print_report(report: NightReport) -> None:
    """Print what a night did with each bot, the failed ones first."""
    ended = f"ended {ago(report.ended)}" if report.ended else "not ended"
    counts = ", ".join(
        f"{number} {name.replace('_', ' ')}" for name, number in report.counts.items()
    )
    console.say(f"Night {report.night}, {ended}: {counts or 'no bot was due'}")
    every = sorted(report.bots, key=lambda each: each.outcome != "failed")
    rows = [
        {"bot": f"@{each.bot}", "outcome": each.outcome.replace("_", " "), "reason": each.reason}
        for each in [*every, *report.left]
    ]
    if rows:
        console.print_table("", rows)


def _row(each: Night) -> dict[str, object]:
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in each.counts.items())
    return {
        "night": each.night,
        "bots": each.bots,
        "ended": ago(each.ended) if each.ended else "not ended",
        "outcomes": each.trouble or counts or "none was due",
    }
