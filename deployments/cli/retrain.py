"""`huggingtweets retrain`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.cli.checks import (
    check_base,
    check_languages,
    check_push,
    check_service,
    parse_bot,
    refuse_missing_source,
    refuse_without_posts,
)
from deployments.cli.json_output import print_as_json
from deployments.cli.options import SEEDS, Base, Filter, Json, Languages, Push, complete_bot
from deployments.outcome_report import print_reports
from deployments.retraining import run_retrain
from tasks.core.errors import BadInput, InvalidHandle
from tasks.core.names import Bot, Handle
from tasks.orchestration.signals import EXIT_CODE


class StartFrom(StrEnum):
    """What training starts from: the last release where it can, or always the base."""

    AUTO = "auto"
    BASE = "base"


class Mode(StrEnum):
    """Which weights are trained: all of the base's, or an adapter's."""

    FULL = "full"
    ADAPTER = "adapter"


def retrain(
    bots: Annotated[
        list[str],
        typer.Argument(metavar="BOT", help="`alice`, or `alice-bob`", autocompletion=complete_bot),
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Archive or table to import first, or `community_archive`, `x_api`, `bluesky`; "
            "HANDLE=… for several"
        ),
    ] = None,
    base: Base = None,
    filter_name: Filter = None,
    language: Languages = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Maximum number of epochs")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate")] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Train all weights (default), or a LoRA adapter on the base")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=-SEEDS, max=SEEDS - 1, help="Seed of training and predictions"),
    ] = None,
    start: Annotated[
        StartFrom,
        typer.Option(
            "--from", help="Train from the last release where that is possible, or from the base"
        ),
    ] = StartFrom.AUTO,
    push: Push = False,
    force: Annotated[
        bool, typer.Option("--force", help="Release even if unchanged or held back")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring bots up to date, from their posts to a release."""
    names = list(dict.fromkeys(map(parse_bot, bots)))
    check_base(base)
    check_languages(language or ())
    sources = parse_sources(names, source or [])
    _check_sources(sources)
    from tasks.core.records import Spec, Status

    given: dict[str, Any] = {"learning_rate": learning_rate, "epochs": epochs, "seed": seed}
    given |= {"mode": mode.value if mode else None}
    spec = Spec(**{name: value for name, value in given.items() if value is not None})
    check_push(push=push)
    refuse_without_posts(names, sources)
    outcomes = run_retrain(
        names,
        sources,
        base=base,
        filter=filter_name.value if filter_name else None,
        languages=tuple(language or ()),
        push=push,
        force=force,
        start=start.value,
        training=spec,
    )
    if as_json:
        print_as_json(outcomes)
    else:
        print_reports(outcomes)
    statuses = {outcome.status for outcome in outcomes}
    if Status.INTERRUPTED in statuses:
        raise typer.Exit(EXIT_CODE)
    if Status.FAILED in statuses:
        raise typer.Exit(1)


def _check_sources(sources: dict[str, str]) -> None:
    """Raises BadInput for a file that is not there or of no known kind; as using a service does."""
    from tasks.ingest.services import SERVICES
    from tasks.sources.file_sources import open_file_source

    for handle, source in sources.items():
        if source in SERVICES:
            check_service(source, [handle])
        else:
            refuse_missing_source(Path(source))
            open_file_source(Path(source), Handle.parse(handle))


def parse_sources(bots: list[Bot], given: list[str]) -> dict[str, str]:
    """The values of `--source` by handle: services by name, files by absolute path.

    Raises BadInput for a handle that none of the bots is made of.
    """
    from tasks.ingest.services import SERVICES

    handles = {handle.name for bot in bots for handle in bot.handles}
    sources: dict[str, str] = {}
    for text in given:
        name, separator, path = text.partition("=")
        if not (path if separator else name).strip():
            raise BadInput(f"--source {text!r}: names no file and no service")
        if not separator and (len(handles) == 1 or text in SERVICES):
            accounts, path = sorted(handles), text
        else:
            accounts = [_handle_in(name)]
        for account in accounts:
            if account not in handles:
                raise BadInput(
                    f"--source {text!r}: name the account that it belongs to, as HANDLE=PATH; "
                    f"handles here: {', '.join(sorted(handles))}"
                )
            sources[account] = path if path in SERVICES else str(Path(path).absolute())
    return sources


def _handle_in(text: str) -> str:
    """The name of the account that a text names, or empty."""
    try:
        return Handle.parse(text).name
    except InvalidHandle:
        return ""
