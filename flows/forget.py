"""Remove an account everywhere, at its owner's wish."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow
from prefect.states import Failed

from flows.requests import HandleName
from tasks.artifacts import show_table
from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Handle
from tasks.forget import plan_account_removal, remove_everywhere
from tasks.removal.account_removal import Plan

log = logging.getLogger("huggingtweets")


@flow(
    name="forget",
    flow_run_name="forget @{handle}",
    persist_result=True,
    result_serializer="json",
)
def forget(handle: HandleName, *, confirmed: bool = False) -> Any:
    """Remove an account's posts and every bot made of them, and never use the account again.

    Args:
        handle: The account, as `alice` or `alice.bsky.social`.
        confirmed: Leave it off to see what would be removed; nothing is then.

    Returns:
        The plan, or the receipt of what was removed.
    """
    account = Handle.parse(handle)
    try:
        plan = plan_account_removal(account)
        show_table(rows_of(plan), f"What {'is' if confirmed else 'would be'} removed of @{account}")
        if not confirmed:
            return plan
        receipt = remove_everywhere(account)
    except HuggingtweetsError as error:
        log.error("%s", error)  # noqa: TRY400 - one line is the message, not a traceback
        return Failed(message=str(error), data=error)
    log.info("@%s: forgotten; the receipt is %s", account, receipt.key)
    for sentence in receipt.left:
        log.info("@%s: left: %s", account, sentence)
    return receipt


def rows_of(plan: Plan) -> list[dict[str, Any]]:
    """What goes, a line each."""
    kept = [
        {"what": str(each), "files": each.files, "megabytes": each.bytes / 1e6}
        for each in (*plan.stored, *plan.kept)
    ]
    hub = [
        {"what": f"{name} on the Hub", "files": 0, "megabytes": 0.0} for name in plan.repositories
    ]
    return [*kept, *hub]
