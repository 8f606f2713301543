"""Respect for deletion, for one account or all that came from the X API."""

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
from tasks.ingest.x_comply import handles_of_x
from tasks.storage import storage_root

log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Checked:
    """What became of one account's check.

    found: what was dropped, or None where the check ended early; trouble: why, or empty.
    """

    handle: str
    found: Complied | None
    trouble: str = ""

    def row(self) -> dict[str, Any]:
        """One line of a table."""
        found = self.found
        return {
            "handle": f"@{self.handle}",
            "checked": found.checked if found else 0,
            "dropped": found.dropped if found else 0,
            "corpora deleted": found.corpora if found else 0,
            "bots due": ", ".join(f"@{bot}" for bot in found.due) if found else "",
            "trouble": self.trouble,
        }


@flow(name="comply", persist_result=True, result_serializer="json")
def comply(handles: tuple[HandleName, ...] = ()) -> Any:
    """Drop posts that X no longer shows from the lake and the corpora, and make their bots due.

    Args:
        handles: The accounts to check; none: all whose posts came from the X API.

    Returns:
        What was found for each account. The run has failed if one could not be checked.
    """
    asked = [Handle.parse(name) for name in handles] or handles_of_x(storage_root())
    checked: list[Checked] = []
    for handle in asked:
        try:
            checked.append(Checked(handle.name, comply_account(handle)))
        except HuggingtweetsError as error:
            log.error("%s", error)  # noqa: TRY400 - one line is the message, not a traceback
            checked.append(Checked(handle.name, None, str(error)))
            if isinstance(error, SourceStopped):
                break  # X would answer the others alike
    show_table([each.row() for each in checked], "Posts that X no longer shows")
    if any(each.trouble for each in checked):
        unchecked = len(asked) - sum(each.found is not None for each in checked)
        message = f"{unchecked} of {len(asked)} accounts could not be checked"
        return Failed(message=message, data=checked)
    return checked
