"""`huggingtweets forget`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli.flow_runs import run_flow, start_prefect
from deployments.cli.options import Json
from tasks.core.errors import BadInput
from tasks.core.names import Handle

_PATIENCE = 10.0  # seconds that a server may take to answer


def forget(
    handle: Annotated[str, typer.Argument(help="The account to remove")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without this, only show what would go")
    ] = False,
    undo: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Let it be used again; the number of the removal's receipt"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove an account everywhere, and never use it again."""
    account = Handle.parse(handle)
    if undo is not None:
        _undo(account, undo, yes=yes, as_json=as_json)
        return
    start_prefect()
    found = _plan_or_receipt(account, yes=yes)
    if as_json:
        console.print_json(found)
    elif yes:
        _print_receipt(account, found)
    else:
        _print_plan(account, found)


def _undo(account: Handle, number: str, *, yes: bool, as_json: bool) -> None:
    if yes:
        raise BadInput("--undo lets the account be used again, --yes removes it: give one of them")
    from tasks.removal.account_removal import lift_ban
    from tasks.storage import storage_root

    receipt = lift_ban(storage_root(), account, number)
    if as_json:
        console.print_json({"handle": account.name, "lifted": receipt})
    else:
        console.say(f"@{account} may be used again. What was removed of it stays removed.")


def _print_receipt(account: Handle, receipt: Any) -> None:
    console.say(
        f"@{account} is forgotten: removed {len(receipt.removed)} things of {len(receipt.bots)} "
        f"bots and opted the account out. Receipt: {receipt.key}"
    )
    for sentence in receipt.left:
        console.say(f"Left: {sentence}.")


def _print_plan(account: Handle, plan: Any) -> None:
    from flows.forget import rows_of

    if rows := rows_of(plan):
        console.print_table(f"What would be removed of @{account}", rows)
    console.say(f"Nothing is removed yet: `huggingtweets forget {account} --yes` does it.")


def _plan_or_receipt(account: Handle, *, yes: bool) -> Any:
    """By the flow, or without Prefect if its server does not answer."""
    if (url := _silent_server()) is None:
        from flows.forget import forget as flow

        return run_flow(flow, account.name, confirmed=yes)
    from tasks.forget import plan_without_server, remove_without_server

    console.note(
        f"No Prefect server answers at {url}: what it stores of the account stays for now."
    )
    return (remove_without_server if yes else plan_without_server)(account, url)


def _silent_server() -> str | None:
    """The URL of the server that should answer and does not.

    None if it answers, or if Prefect starts a temporary one.
    """
    import httpx
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    try:
        if url is None or httpx.get(f"{url}/health", timeout=_PATIENCE).is_success:
            return None
    except httpx.TransportError:
        pass  # the caller reports it
    return url
