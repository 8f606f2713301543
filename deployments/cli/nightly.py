"""`huggingtweets nightly`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.checks import NO_REGISTRY, check_night, check_workers, refuse_missing
from deployments.cli.nights import print_report
from deployments.cli.options import Chunk, Json, OnWorkers
from deployments.flow_runs import run_async_flow, start_prefect

if TYPE_CHECKING:
    from tasks.registry.due import NightBudget
    from tasks.registry.entries import Entry


def nightly(
    registry: Annotated[
        Path | None, typer.Option(help="The list of bots; default: HUGGINGTWEETS_REGISTRY")
    ] = None,
    night: Annotated[str, typer.Option(help="Its date, such as 2026-01-31; default: today")] = "",
    posts: Annotated[int | None, typer.Option(min=0, help="Maximum number of paid posts")] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="Maximum cost in dollars")] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="Maximum hours of training")] = None,
    chunk: Chunk = 20,
    on_workers: OnWorkers = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is due, why, and what it would cost")
    ] = False,
    as_json: Json = False,
) -> None:
    """Retrain the bots of the registry that are due."""
    if night:
        check_night(night)
    from tasks.core.settings import settings

    file = registry or Path(settings().registry)
    refuse_missing(file, NO_REGISTRY)
    from tasks.operations.idle_nights import idle_night, night_of
    from tasks.operations.night_reports import report_from
    from tasks.registry.due import NightBudget
    from tasks.registry.entries import load_registry
    from tasks.registry.nights import load_summary
    from tasks.storage import storage_root

    entries = load_registry(file)
    budget = NightBudget(posts, dollars, hours)
    if dry_run:
        _print_preview(file, entries, budget, as_json=as_json)
        return
    check_workers(on_workers=on_workers)
    storage, name = storage_root(), night or night_of(datetime.now(UTC))
    summary = load_summary(storage, name)
    if summary is not None:
        console.note(
            f"Night {name} has ended before; `huggingtweets nightly --night {_next(name)}` starts "
            "another."
        )
    else:
        summary = idle_night(storage, entries, name, budget)
    if summary is None:
        start_prefect()
        from flows.nightly import nightly as flow

        path = str(file.absolute())
        summary = run_async_flow(
            flow, night, path, chunk, posts, dollars, hours, here=not on_workers
        )
    report = report_from(summary)
    if as_json:
        console.print_json(report)
    else:
        print_report(report)
    raise typer.Exit(int("failed" in report.counts))


def _print_preview(
    file: Path, entries: tuple[Entry, ...], budget: NightBudget, *, as_json: bool
) -> None:
    from tasks.core.sizes import counted
    from tasks.operations.night_reports import preview
    from tasks.storage import storage_root

    found = preview(storage_root(), str(file), entries, budget, datetime.now(UTC))
    if as_json:
        console.print_json(found)
        return
    due = [each for each in found.due if each.left is None]
    console.say(f"{found.registry}: {counted(found.bots, 'bot')}, {len(due)} due")
    if found.due:
        rows = [
            {
                "bot": f"@{each.bot}",
                "why": each.why if each.left is None else f"{each.why}; left: {each.left}",
                "posts": each.posts,
                "dollars": f"{each.dollars:.2f}",
                "minutes": round(each.minutes),
            }
            for each in found.due
        ]
        console.print_table("", rows)
        console.say(
            f"At most {found.posts:,} paid posts, ${found.dollars:,.2f}, and about "
            f"{found.minutes:,.0f} minutes."
        )


def _next(night: str) -> str:
    """The name of another night of the same date."""
    date, number = night[:10], night[11:]
    return f"{date}-{int(number) + 1 if number else 2}"
