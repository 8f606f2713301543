"""The commands that take posts away: `comply` and `forget`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deployments import console
from tasks.names import Handle

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]


def comply(
    handles: Annotated[
        list[str] | None, typer.Argument(metavar="HANDLE…", help="Left out: all that came from X")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask X which of its posts are gone, drop them, and make their bots due."""
    names = [Handle.parse(name).name for name in handles or ()]
    console.start_prefect()
    from flows.comply import comply as flow

    checked = console.result_of(flow(names, return_state=True))
    rows = [each.row() for each in checked]
    if as_json:
        console.print_json(checked)
    elif rows:
        console.print_table("Posts that X no longer shows", rows)
    else:
        console.out.print("The lake holds no posts from the X API.")
    if any(each.trouble for each in checked):
        raise typer.Exit(1)


def forget(
    handle: Annotated[str, typer.Argument(help="The account to remove")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, only look")] = False,
    as_json: Json = False,
) -> None:
    """Remove an account everywhere, and never use it again."""
    name = Handle.parse(handle).name
    console.start_prefect()
    from flows.forget import forget as flow
    from flows.forget import rows_of

    found: Any = console.result_of(flow(name, confirmed=yes, return_state=True))
    if as_json:
        console.print_json(found)
    elif yes:
        console.out.print(
            f"@{name} is forgotten: {len(found.removed)} things of {len(found.bots)} bots are "
            f"removed, and it is opted out. Receipt: {found.key}"
        )
    else:
        if rows := rows_of(found):
            console.print_table(f"What would be removed of @{name}", rows)
        console.out.print(f"Nothing is removed yet: `huggingtweets forget {name} --yes` does it.")
