"""`huggingtweets tidy`."""

from __future__ import annotations

from datetime import UTC, datetime

from deployments import console
from deployments.cli.options import Json


def tidy(as_json: Json = False) -> None:
    """Remove what nothing needs any more, as every night does."""
    from tasks.operations.tidying import tidy as tidy_up
    from tasks.storage import storage_root

    freed = tidy_up(storage_root(), datetime.now(UTC))
    if as_json:
        console.print_json(freed)
    elif freed.files:
        rows = [
            {"of": kind, "files": number, "size": console.human_size(freed.bytes[kind])}
            for kind, number in freed.files.items()
        ]
        console.print_table("Removed", rows)
    else:
        console.say("Nothing to remove.")
