"""`huggingtweets posts`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli.checks import similar_account
from deployments.cli.options import Json, complete_bot
from tasks.core.errors import BadInput
from tasks.core.names import Handle


def posts(
    handle: Annotated[str, typer.Argument(help="The account", autocompletion=complete_bot)],
    drop: Annotated[
        str | None, typer.Option(metavar="IMPORT", help="Take this import back, by its id")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the imports of an account's posts, or take one back."""
    account = Handle.parse(handle)
    if drop is not None:
        _drop(account, drop, as_json=as_json)
        return
    from tasks.ingest.stored_imports import stored_imports
    from tasks.storage import storage_root

    rows = [
        {
            "import": each.id,
            "source": each.source,
            "file": each.file,
            "when": each.when.astimezone(UTC).isoformat(timespec="seconds"),
            "posts": each.posts,
        }
        for each in stored_imports(storage_root(), account)
    ]
    if as_json:
        console.print_json(rows)
    elif rows:
        console.print_table(f"Posts of @{account}", [_shown(row) for row in rows])
    elif similar := similar_account(account):
        raise BadInput(f"@{account}: no posts are stored{similar}")
    else:
        console.say(f"No posts of @{account} are stored.")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"file": row["file"] or console.NONE}


def _drop(account: Handle, name: str, *, as_json: bool) -> None:
    from tasks.removal.import_removal import take_back
    from tasks.storage import storage_root

    taken = take_back(storage_root(), account, name, datetime.now(UTC))
    if as_json:
        row = {"import": taken.shown.id, "gone": taken.gone, "stored": taken.stored}
        console.print_json({**row, "due": taken.due})
        return
    what = taken.shown.file or taken.shown.source
    console.say(
        f"@{account}: {what} is taken back: {taken.gone:,} posts are gone, {taken.stored:,} are "
        "stored. What another import brought too stays."
    )
    if taken.due:
        console.say(f"To be trained again: {', '.join(taken.due)}.")
