"""The commands for many bots: `nightly` and `backfill`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import console

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]
OnWorkers = Annotated[
    bool, typer.Option("--on-workers", help="On the workers of the training pool, not here")
]
Chunk = Annotated[int, typer.Option(min=1, max=200, help="Bots that one run retrains")]


def nightly(
    registry: Annotated[
        Path | None, typer.Option(help="The list of bots; else HUGGINGTWEETS_REGISTRY")
    ] = None,
    night: Annotated[str, typer.Option(help="Its date, such as 2026-01-31; else today")] = "",
    posts: Annotated[int | None, typer.Option(min=0, help="At most so many paid posts")] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="At most so many dollars")] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="At most so many hours")] = None,
    chunk: Chunk = 20,
    on_workers: OnWorkers = False,
    as_json: Json = False,
) -> None:
    """Retrain the bots of the registry that are due."""
    console.start_prefect()
    from flows.nightly import nightly as flow

    file = str(registry.absolute()) if registry else ""
    summary = _run(
        flow, night, file, chunk, posts, dollars, hours, here=not on_workers, return_state=True
    )
    if as_json:
        console.print_json(summary)
    elif rows := [*summary["bots"], *map(_left, summary["left"])]:
        console.print_table(f"Night {summary['night']}", rows)
    else:
        console.out.print(f"Night {summary['night']}: no bot is due.")
    raise typer.Exit(int("failed" in summary["counts"]))


def backfill(
    handles: Annotated[
        list[str] | None, typer.Argument(metavar="HANDLE…", help="Accounts, each to be a bot")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="More of them, one a line")] = None,
    source: Annotated[
        str, typer.Option(help="`x_api`, `bluesky`, or `stored` for what is imported")
    ] = "x_api",
    base: Annotated[
        str | None, typer.Option(help="Hub id or folder of the base, or `embedded`")
    ] = None,
    fresh_days: Annotated[float, typer.Option(min=0, help="Younger releases are left")] = 7,
    chunk: Chunk = 20,
    push: Annotated[bool, typer.Option("--push", help="Release to the Hub as well")] = False,
    force: Annotated[bool, typer.Option("--force", help="Do the fresh ones as well")] = False,
    on_workers: OnWorkers = False,
    as_json: Json = False,
) -> None:
    """Retrain a long list of accounts; interrupted, start it again."""
    from tasks.backfill import read_list

    listed = read_list(handles or [], file)
    for line in listed.wrong:
        text = f"line {line['line']}: {line['text']!r}: {line['why']}"
        console.err.print(console.for_terminal(text), soft_wrap=True)
    console.start_prefect()
    from flows.backfill import backfill as flow
    from flows.requests import RetrainOptions

    options = RetrainOptions(base=base, push=push, force=force)
    counts = _run(
        flow, list(listed.names), "", source, options, fresh_days, chunk,
        here=not on_workers, return_state=True,
    )  # fmt: skip
    counts |= {"wrong lines": len(listed.wrong)}
    if as_json:
        console.print_json(counts)
    else:
        console.print_table("Backfill", [{"outcome": k, "bots": v} for k, v in counts.items()])
    raise typer.Exit(int(bool(counts.get("failed") or listed.wrong)))


def _run(flow: Any, *words: Any, **options: Any) -> Any:
    async def story() -> Any:
        state = await flow(*words, **options)
        result = await state.aresult(raise_on_failure=False)
        if isinstance(result, BaseException):
            raise result
        return result

    return asyncio.run(story())


def _left(row: dict[str, Any]) -> dict[str, Any]:
    return {"bot": row["bot"], "outcome": "left for later", "reason": row["why"]}
