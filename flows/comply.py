"""Respect for deletions and opt-outs, for one account or all that came from a service."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.states import Failed

from flows.requests import HandleName
from tasks.artifacts import show_table
from tasks.comply import Complied, comply_account
from tasks.core.errors import HuggingtweetsError, SourceStopped
from tasks.core.names import Handle
from tasks.ingest.checkable import NOTHING, accounts_to_check
from tasks.storage import storage_root

log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Checked:
    """What became of one account's check with one service.

    found: what was dropped, or None where the check ended early; trouble: why, or empty.
    source: the service.
    """

    handle: str
    found: Complied | None
    trouble: str = ""
    source: str = ""

    def row(self) -> dict[str, Any]:
        """One line of a table."""
        found = self.found
        return {
            "handle": f"@{self.handle}",
            "source": self.source,
            "checked": found.checked if found else 0,
            "dropped": found.dropped if found else 0,
            "corpora deleted": found.corpora if found else 0,
            "bots due": ", ".join(f"@{bot}" for bot in found.due) if found else "",
            "trouble": self.trouble,
        }


@flow(name="comply", persist_result=True, result_serializer="json")
def comply(handles: tuple[HandleName, ...] = ()) -> Any:
    """Drop posts that their service no longer shows, and make the bots of their accounts due.

    They leave the lake and the corpora.

    Args:
        handles: The accounts to check; none: all whose posts came from the Community Archive or
            the X API.

    Returns:
        What was found for each account. The run has failed if one could not be checked.
    """
    asked = [Handle.parse(name) for name in handles]
    todo = accounts_to_check(storage_root(), asked)
    known = {handle for handle, _ in todo}
    checked = [
        Checked(each.name, None, f"@{each}: {NOTHING}: check the name")
        for each in asked
        if each not in known
    ]
    stopped: set[str] = set()  # services that would refuse the other accounts alike
    for handle, service in todo:
        if service in stopped:
            continue
        try:
            found = comply_account(handle, service)
            checked.append(Checked(handle.name, found, source=service))
        except HuggingtweetsError as error:
            log.error("%s", error)  # noqa: TRY400 - one line is the message, not a traceback
            checked.append(Checked(handle.name, None, str(error), service))
            if isinstance(error, SourceStopped):
                stopped.add(service)
    show_table([each.row() for each in checked], "Posts that their service no longer shows")
    if any(each.trouble for each in checked):
        unchecked = len(todo) - sum(each.found is not None for each in checked)
        message = f"{unchecked} of {len(todo)} accounts could not be checked"
        return Failed(message=message, data=checked)
    return checked
