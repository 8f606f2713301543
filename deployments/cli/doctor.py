"""`huggingtweets doctor`."""

from __future__ import annotations

import os

import typer

from deployments import console
from deployments.cli.options import Json


def doctor(as_json: Json = False) -> None:
    """Check this machine and its settings, with remedies."""
    from tasks.core.settings import settings
    from tasks.operations.diagnosis import Finding, examine

    found: list[Finding] = []
    for each in examine(settings(), os.environ.get("PREFECT_API_URL")):
        found.append(each)
        if not as_json:
            remedy = f": {each.remedy}" if each.remedy else ""
            console.say_item(f"{each.name}: {each.seen}{remedy}", f"{each.state:6}")
    if as_json:
        console.print_json(found)
    raise typer.Exit(int(any(each.state == "bad" for each in found)))
