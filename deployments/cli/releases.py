"""`huggingtweets releases` and `huggingtweets rollback`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.checks import known_bot, released_bot
from deployments.cli.options import BotName, Json
from deployments.relative_times import ago
from tasks.core.errors import BadInput
from tasks.core.sizes import human_size

if TYPE_CHECKING:
    from tasks.publishing.release_history import KeptRelease


def releases(bot: BotName, as_json: Json = False) -> None:
    """List the releases of a bot that are kept."""
    parsed = known_bot(bot)
    from tasks.publishing.release_history import kept_releases
    from tasks.storage import storage_root

    found = kept_releases(storage_root(), parsed)
    if as_json:
        console.print_json(found)
    elif found:
        console.print_table("", [_row(each) for each in found])
    else:
        from tasks.operations.first_retrain import first_retrain

        console.say(f"@{parsed} has no release: `{first_retrain(parsed)}` makes one.")


def _row(each: KeptRelease) -> dict[str, object]:
    return {
        "release": each.revision,
        "made": ago(each.created_at),
        "loss": each.held_out_loss,
        "base": (each.base or console.NONE).rpartition("/")[2],
        "size": human_size(each.bytes),
        "": "pinned" if each.pinned else "in force" if each.in_force else "",
    }


def rollback(
    bot: BotName,
    revision: Annotated[
        str | None,
        typer.Argument(help="Of `releases`, or its beginning; default: the one before"),
    ] = None,
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Put the newest release in force again")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put an earlier release in force until there are new posts."""
    if unpin and revision:
        raise BadInput("--unpin puts the newest release in force: leave the revision out")
    storage, release = released_bot(bot)
    from tasks.operations.retrain_record import posts_digest
    from tasks.publishing import release_history

    parsed = release.bot
    chosen = (
        release_history.unpin(storage, parsed)
        if unpin
        else release_history.roll_back(
            storage, parsed, revision, posts_digest(parsed), datetime.now(UTC)
        )
    )
    if as_json:
        console.print_json(chosen)
        return
    until = (
        "" if unpin else f", until there are new posts or `huggingtweets rollback {parsed} --unpin`"
    )
    console.say_folded(f"@{parsed}: release {chosen.revision} is in force{until}.")
    if release.hub and chosen.revision != release.revision:
        console.note(f"The Hub still has release {release.revision}.")
