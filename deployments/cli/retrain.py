"""`huggingtweets retrain`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli.flow_runs import run_async_flow, start_prefect
from deployments.cli.options import Base, Filter, Json, Languages, Push
from tasks.core.errors import BadInput, InvalidHandle
from tasks.core.names import Bot, Handle
from tasks.core.records import Outcome, Spec, Status
from tasks.orchestration.signals import EXIT_CODE


class Mode(StrEnum):
    """Which weights are trained: all of the base's, or an adapter's."""

    FULL = "full"
    ADAPTER = "adapter"


def retrain(
    bots: Annotated[list[str], typer.Argument(metavar="BOT…", help="`alice`, or `alice-bob`")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Archive or table to import first, `x_api` or `bluesky`; HANDLE=… for several"
        ),
    ] = None,
    base: Base = None,
    filter_name: Filter = None,
    language: Languages = None,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum number of epochs")] = Spec.epochs,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate")] = None,
    mode: Annotated[
        Mode, typer.Option(help="Train all weights, or a LoRA adapter on the base")
    ] = Mode.FULL,
    seed: Annotated[int, typer.Option(help="Seed of training and predictions")] = 0,
    push: Push = False,
    force: Annotated[
        bool, typer.Option("--force", help="Release even if unchanged or held back")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring bots up to date: import, curate, train, evaluate, track, publish."""
    names = [Bot.parse(name) for name in bots]
    outcomes = run_retrain(
        names,
        parse_sources(names, source or []),
        base=base,
        filter=filter_name.value if filter_name else None,
        languages=tuple(language or ()),
        push=push,
        force=force,
        training=Spec(learning_rate=learning_rate, seed=seed, epochs=epochs, mode=mode.value),
    )
    if as_json:
        console.print_json(outcomes)
    else:
        console.print_outcomes(outcomes)
    statuses = {outcome.status for outcome in outcomes}
    if Status.INTERRUPTED in statuses:
        raise typer.Exit(EXIT_CODE)
    if Status.FAILED in statuses:
        raise typer.Exit(1)


def run_retrain(bots: list[Bot], sources: dict[str, str], **options: Any) -> list[Outcome]:
    """Run the `retrain` flow in this process.

    sources: by handle, a file's path or the name of a service. options: `RetrainOptions`' fields.
    """
    start_prefect()
    from flows.requests import BotRequest, RetrainOptions
    from flows.retrain import retrain as flow

    requests = [
        BotRequest(
            name=bot.name,
            sources={h.name: sources[h.name] for h in bot.handles if h.name in sources},
        )
        for bot in bots
    ]
    return list(run_async_flow(flow, requests, RetrainOptions(**options)))


def parse_sources(bots: list[Bot], given: list[str]) -> dict[str, str]:
    """The values of `--source` by handle: services by name, files by absolute path.

    Raises BadInput for a handle that none of the bots is made of.
    """
    from tasks.scrape import SERVICES

    handles = {handle.name for bot in bots for handle in bot.handles}
    sources: dict[str, str] = {}
    for text in given:
        name, separator, path = text.partition("=")
        if not separator and len(handles) == 1:
            name, path = next(iter(handles)), text
        if (handle := _handle_in(name)) not in handles:
            raise BadInput(
                f"--source {text!r}: name the account that it belongs to, as HANDLE=PATH; "
                f"handles here: {', '.join(sorted(handles))}"
            )
        sources[handle] = path if path in SERVICES else str(Path(path).absolute())
    return sources


def _handle_in(text: str) -> str:
    """The name of the account that a text names, or empty."""
    try:
        return Handle.parse(text).name
    except InvalidHandle:
        return ""
