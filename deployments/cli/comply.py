"""`huggingtweets comply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.options import Json
from deployments.flow_runs import run_flow, start_prefect
from tasks.core.errors import BadInput
from tasks.core.names import Handle

if TYPE_CHECKING:
    from flows.comply import Checked


def comply(
    handles: Annotated[
        list[str] | None,
        typer.Argument(metavar="HANDLE", help="Default: all whose posts a service gave"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be asked, and what it would cost")
    ] = False,
    as_json: Json = False,
) -> None:
    """Drop posts that their service no longer shows."""
    from tasks.ingest.checkable import NOTHING, accounts_to_check
    from tasks.storage import storage_root

    asked = [Handle.parse(name) for name in handles or ()]
    todo = accounts_to_check(storage_root(), asked)
    if unknown := sorted(set(asked) - {handle for handle, _ in todo}):
        raise BadInput(f"@{unknown[0]}: {NOTHING}: check the name")
    if dry_run:
        _print_estimate(todo, as_json=as_json)
        return
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


def _print_estimate(todo: list[tuple[Handle, str]], *, as_json: bool) -> None:
    from tasks.core.settings import settings
    from tasks.ingest.services import X_API
    from tasks.lake.posts import ids_from
    from tasks.storage import storage_root

    rows = []
    for handle, service in todo:
        posts = len(ids_from(storage_root(), handle, service))
        dollars = round(posts * settings().x_price_post, 2) if service == X_API else 0.0
        row = {"handle": handle.name, "service": service, "posts": posts}
        rows.append({**row, "dollars": dollars})
    if as_json:
        console.print_json(rows)
    elif rows:
        console.print_table("Would be asked for", rows)
    else:
        console.say("The lake holds no posts from the Community Archive or the X API.")
