"""`huggingtweets nightly`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli.checks import check_night, check_workers
from deployments.cli.flow_runs import run_async_flow, start_prefect
from deployments.cli.options import Chunk, Json, OnWorkers


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
    as_json: Json = False,
) -> None:
    """Retrain the bots of the registry that are due."""
    if night:
        check_night(night)
    from tasks.core.settings import settings
    from tasks.operations.idle_nights import idle_night, night_of
    from tasks.registry.due import NightBudget
    from tasks.registry.entries import load_registry
    from tasks.registry.nights import load_summary
    from tasks.storage import storage_root

    file = registry or Path(settings().registry)
    entries = load_registry(file)
    check_workers(on_workers=on_workers)
    storage, name = storage_root(), night or night_of(datetime.now(UTC))
    summary = load_summary(storage, name)
    if summary is not None:
        console.note(
            f"Night {name} has ended before; `huggingtweets nightly --night {_next(name)}` starts "
            "another."
        )
    else:
        summary = idle_night(storage, entries, name, NightBudget(posts, dollars, hours))
    if summary is None:
        start_prefect()
        from flows.nightly import nightly as flow

        path = str(file.absolute())
        summary = run_async_flow(
            flow, night, path, chunk, posts, dollars, hours, here=not on_workers
        )
    if as_json:
        console.print_json(summary)
    elif rows := [*summary["bots"], *map(_deferred, summary["left"])]:
        console.print_table(f"Night {summary['night']}", rows)
    else:
        console.say(f"Night {summary['night']}: no bot is due.")
    raise typer.Exit(int("failed" in summary["counts"]))


def _next(night: str) -> str:
    """The name of another night of the same date."""
    date, number = night[:10], night[11:]
    return f"{date}-{int(number) + 1 if number else 2}"


def _deferred(row: dict[str, Any]) -> dict[str, Any]:
    return {"bot": row["bot"], "outcome": "left for later", "reason": row["why"]}
