"""The commands that take posts away: `comply` and `forget`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deployments import console
from tasks.core.names import Handle

_PATIENCE = 10.0  # seconds for a server to say that it is there
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
    account = Handle.parse(handle)
    console.start_prefect()
    from flows.forget import rows_of

    found = _found(account, yes=yes)
    if as_json:
        console.print_json(found)
        return
    if yes:
        console.out.print(
            f"@{account} is forgotten: {len(found.removed)} things of {len(found.bots)} bots are "
            f"removed, and it is opted out. Receipt: {found.key}"
        )
        for sentence in found.left:
            console.out.print(f"Left: {console.for_terminal(sentence)}.", soft_wrap=True)
        return
    if rows := rows_of(found):
        console.print_table(f"What would be removed of @{account}", rows)
    console.out.print(f"Nothing is removed yet: `huggingtweets forget {account} --yes` does it.")


def _found(account: Handle, *, yes: bool) -> Any:
    """The plan or the receipt; by the flow, or without Prefect where its server is silent."""
    if (url := _silent_server()) is None:
        from flows.forget import forget as flow

        return console.result_of(flow(account.name, confirmed=yes, return_state=True))
    from tasks.forget import plan_without_server, remove_without_server

    console.err.print(
        f"No Prefect server answers at {console.for_terminal(url)}: what it keeps is left for now.",
        soft_wrap=True,
    )
    return (remove_without_server if yes else plan_without_server)(account, url)


def _silent_server() -> str | None:
    """Where a server is to be that does not answer; None where it does, or Prefect brings one."""
    import httpx
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    try:
        if url is None or httpx.get(f"{url}/health", timeout=_PATIENCE).is_success:
            return None
    except httpx.TransportError:
        pass  # told by whoever asked
    return url
