"""`huggingtweets delete`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.cli.checks import known_bot
from deployments.cli.options import BotName, Json
from tasks.core.sizes import human_size


def delete(
    bot: BotName,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete it; without this, only show what would go")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a bot and its releases, but not its accounts' posts."""
    parsed = known_bot(bot)
    from tasks.core.settings import settings
    from tasks.operations.bot_deletion import delete_bot, plan_deletion, refuse_listed
    from tasks.registry.entries import load_registry
    from tasks.storage import storage_root

    registry = Path(settings().registry)
    if registry.is_file():
        refuse_listed(parsed, load_registry(registry), str(registry))
    found = (delete_bot if yes else plan_deletion)(storage_root(), parsed)
    if as_json:
        console.print_json(found)
        return
    if not found.keys:
        console.say(f"Nothing is stored of @{parsed} but posts.")
        return
    done = "Deleted" if yes else "Would delete"
    size = human_size(found.bytes)
    console.say(f"{done} of @{parsed}: {found.files:,} files, {size}")
    for key in found.keys:
        console.say(f"  {key}")
    console.say(f"Left: {', '.join(found.kept)}.")
    if not yes:
        console.say(f"Nothing is deleted yet: `huggingtweets delete {parsed} --yes` does it.")
