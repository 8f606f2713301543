"""`huggingtweets comply`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments import console
from deployments.cli.flow_runs import run_flow, start_prefect
from deployments.cli.options import Json
from tasks.core.names import Handle


def comply(
    handles: Annotated[
        list[str] | None,
        typer.Argument(metavar="HANDLE…", help="Default: all whose posts a service gave"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the Community Archive and X which posts are gone, drop them, make their bots due."""
    names = [Handle.parse(name).name for name in handles or ()]
    start_prefect()
    from flows.comply import comply as flow

    checked = run_flow(flow, names)
    if as_json:
        console.print_json(checked)
    elif rows := [each.row() for each in checked]:
        console.print_table("Posts that their service no longer shows", rows)
    else:
        console.say("The lake holds no posts from the Community Archive or the X API.")
    if any(each.trouble for each in checked):
        raise typer.Exit(1)
