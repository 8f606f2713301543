"""The command that sends what was recorded offline: `sync`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments import console
from tasks.core.settings import settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]


def sync(as_json: Json = False) -> None:
    """Send the runs that were tracked offline to Weights & Biases, each once."""
    from tasks.forget import remove_opted_out_here
    from tasks.storage import storage_root
    from tasks.tracking.offline_runs import send_offline_runs
    from tasks.tracking.wandb_environment import tracking_folder

    remove_opted_out_here()  # before anything of them is sent
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
        console.out.print("Nothing waits to be sent.")
    if any(each.trouble for each in results):
        raise typer.Exit(1)
