"""`huggingtweets nightly`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import console
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
    start_prefect()
    from flows.nightly import nightly as flow

    file = str(registry.absolute()) if registry else ""
    summary = run_async_flow(flow, night, file, chunk, posts, dollars, hours, here=not on_workers)
    if as_json:
        console.print_json(summary)
    elif rows := [*summary["bots"], *map(_deferred, summary["left"])]:
        console.print_table(f"Night {summary['night']}", rows)
    else:
        console.out.print(f"Night {summary['night']}: no bot is due.")
    raise typer.Exit(int("failed" in summary["counts"]))


def _deferred(row: dict[str, Any]) -> dict[str, Any]:
    return {"bot": row["bot"], "outcome": "left for later", "reason": row["why"]}
