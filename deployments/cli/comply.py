"""`huggingtweets comply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.flow_runs import run_flow, start_prefect
from deployments.cli.options import Json
from tasks.core.errors import BadInput
from tasks.core.names import Handle

if TYPE_CHECKING:
    from flows.comply import Checked


def comply(
    handles: Annotated[
        list[str] | None,
        typer.Argument(metavar="HANDLE…", help="Default: all whose posts a service gave"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the Community Archive and X which posts are gone, drop them, make their bots due."""
    from tasks.ingest.checkable import NOTHING, accounts_to_check
    from tasks.storage import storage_root

    asked = [Handle.parse(name) for name in handles or ()]
    todo = accounts_to_check(storage_root(), asked)
    if unknown := sorted(set(asked) - {handle for handle, _ in todo}):
        raise BadInput(f"@{unknown[0]}: {NOTHING}: check the name")
    checked = _checked([handle.name for handle in asked]) if todo else []
    if as_json:
        console.print_json(checked)
    elif rows := [each.row() for each in checked]:
        console.print_table("Posts that their service no longer shows", rows)
    else:
        console.say(f"N{NOTHING[1:]}.")
    if any(each.trouble for each in checked):
        raise typer.Exit(1)


def _checked(names: list[str]) -> list[Checked]:
    start_prefect()
    from flows.comply import comply as flow

    return list(run_flow(flow, names))
