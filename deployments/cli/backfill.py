"""`huggingtweets backfill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.cli.checks import (
    check_base,
    check_push,
    check_service,
    check_workers,
    refuse_missing,
)
from deployments.cli.options import Base, Chunk, Json, OnWorkers, Push
from deployments.flow_runs import run_async_flow, start_prefect
from tasks.core.errors import BadInput

_SHOWN = 5  # wrong lines of a list that are printed


def backfill(
    handles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="HANDLE", help="Accounts, each to be a bot; addresses of profiles too"
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with more of them, one a line")] = None,
    source: Annotated[
        str,
        typer.Option(
            help="`community_archive`, `x_api`, `bluesky`, or `stored` for posts already imported"
        ),
    ] = "x_api",
    base: Base = None,
    fresh_days: Annotated[
        float, typer.Option(min=0, help="Skip bots with a release younger than this")
    ] = 7,
    chunk: Chunk = 20,
    push: Push = False,
    force: Annotated[bool, typer.Option("--force", help="Retrain fresh bots as well")] = False,
    on_workers: OnWorkers = False,
    as_json: Json = False,
) -> None:
    """Retrain a long list of accounts; if interrupted, start it again."""
    check_base(base)
    if not handles and file is None:
        raise BadInput("no accounts: name some, or a --file with one a line")
    if file is not None:
        refuse_missing(file, "check the path")
    from tasks.registry.handle_lists import read_list

    listed = read_list(handles or [], file)
    for line in listed.wrong[:_SHOWN]:
        text = f"line {line['line']}: {line['text']!r}: {line['why']}"
        console.note(text)
    if len(listed.wrong) > _SHOWN:
        console.note(f"… and {len(listed.wrong) - _SHOWN:,} more lines that name no account")
    if not listed.names:
        raise BadInput("the list names no account that can be used")
    check_service(source, listed.names)
    check_push(push=push)
    check_workers(on_workers=on_workers)
    start_prefect()
    from flows.backfill import backfill as flow
    from flows.requests import RetrainOptions

    options = RetrainOptions(base=base, push=push, force=force)
    names = list(listed.names)
    counts = run_async_flow(
        flow, names, "", source, options, fresh_days, chunk, here=not on_workers
    )
    counts |= {"wrong lines": len(listed.wrong)}
    if as_json:
        console.print_json(counts)
    else:
        console.print_table("Backfill", [{"outcome": k, "bots": v} for k, v in counts.items()])
    raise typer.Exit(int(bool(counts.get("failed") or listed.wrong)))
