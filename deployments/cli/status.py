"""`huggingtweets status`."""

from __future__ import annotations

from deployments import console
from deployments.cli.options import Json


def status(as_json: Json = False) -> None:
    """Show every bot: posts, last release, held-out loss, outcome, and whether it is parked."""
    from tasks.operations.bot_status import statuses
    from tasks.storage import storage_root

    rows = statuses(storage_root())
    if as_json:
        console.print_json(rows)
    elif rows:
        console.print_table(
            "Bots", [row | {"parked": "parked" if row["parked"] else "–"} for row in rows]
        )
    else:
        console.say("No bot has been retrained here yet.")
