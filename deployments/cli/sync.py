"""`huggingtweets sync`."""

from __future__ import annotations

import typer

from deployments import console
from deployments.cli.options import Json


def sync(as_json: Json = False) -> None:
    """Send runs that were tracked offline to Weights & Biases."""
    from tasks.core.settings import settings
    from tasks.forget import remove_opted_out_here
    from tasks.storage import storage_root
    from tasks.tracking.offline_runs import send_offline_runs
    from tasks.tracking.wandb_environment import tracking_folder

    remove_opted_out_here()  # so that nothing of them is sent
    results = send_offline_runs(tracking_folder(storage_root(), settings()), settings())
    if as_json:
        console.print_json(results)
    elif results:
        rows = [
            {
                "of": each.bot,
                "run": each.run,
                "result": each.trouble or "sent",
                "page": each.url or "–",
            }
            for each in results
        ]
        console.print_table("Runs", rows)
    else:
        console.say("No offline runs to send.")
    if any(each.trouble for each in results):
        raise typer.Exit(1)
