"""`huggingtweets forget`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli.checks import similar_account
from deployments.cli.options import Json
from deployments.flow_runs import run_flow, start_prefect
from tasks.core.errors import BadInput
from tasks.core.names import Handle
from tasks.core.sizes import human_size

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
    found = _receipt(account) if yes else _plan(account)
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

    if not (rows := rows_of(plan)):
        console.say(f"Nothing is stored of @{account}{similar_account(account) or '.'}")
        console.say(f"`huggingtweets forget {account} --yes` opts the account out all the same.")
        return
    for row in rows:
        row["size"] = human_size(row.pop("megabytes") * 1e6)
    console.print_table(f"What would be removed of @{account}", rows)
    console.say(f"Nothing is removed yet: `huggingtweets forget {account} --yes` does it.")


def _plan(account: Handle) -> Any:
    """What would go. No server is started: only one that is named and answers is asked."""
    from tasks.forget import plan_of, plan_without_server

    if (url := _named_server()) is None:
        note = "What Prefect's own database on this machine holds is removed as well."
        console.note(f"{note} It is not counted here.")
        return plan_without_server(account, "(none)")
    if _answers(url):
        return plan_of(account)
    return plan_without_server(account, _noted(url))


def _receipt(account: Handle) -> Any:
    """Remove it: by the flow, or without Prefect if its server does not answer."""
    start_prefect()
    if (url := _named_server()) is None or _answers(url):
        from flows.forget import forget as flow

        return run_flow(flow, account.name, confirmed=True)
    from tasks.forget import remove_without_server

    return remove_without_server(account, _noted(url))


def _noted(url: str) -> str:
    console.note(
        f"No Prefect server answers at {url}: what it stores of the account stays for now."
    )
    return url


def _named_server() -> str | None:
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url}/health", timeout=_PATIENCE).is_success
    except httpx.TransportError:
        return False
