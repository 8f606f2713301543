"""`huggingtweets tidy`."""

from __future__ import annotations

from datetime import UTC, datetime

from deployments import console
from deployments.cli.options import Json
from tasks.core.sizes import human_size


def tidy(as_json: Json = False) -> None:
    """Remove what nothing needs any more, as every night does."""
    from tasks.core.settings import settings
    from tasks.operations.tidying import tidy as tidy_storage
    from tasks.operations.tidying import tidy_tracked_runs
    from tasks.storage import storage_root
    from tasks.tracking.wandb_environment import tracking_folder

    now, storage = datetime.now(UTC), storage_root()
    freed = tidy_storage(storage, now)
    tidy_tracked_runs(tracking_folder(storage, settings()), now, freed)
    if as_json:
        console.print_json(freed)
    elif freed.files:
        rows = [
            {"of": kind, "files": number, "size": human_size(freed.bytes[kind])}
            for kind, number in freed.files.items()
        ]
        console.print_table("Removed", rows)
    else:
        console.say("Nothing to remove.")
