"""`huggingtweets generate`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from deployments import console
from deployments.cli.checks import released_bot
from deployments.cli.options import BotName, Json
from tasks.core.errors import BadInput


def generate(
    bot: BotName,
    start: Annotated[str, typer.Argument(help="The beginning of each post")] = "",
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="Number of posts")] = 5,
    seed: Annotated[int | None, typer.Option(help="Makes the posts reproducible")] = None,
    keep_mentions: Annotated[
        bool, typer.Option("--keep-mentions", help="Let posts mention accounts, as @somebody")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(help="For an adapter: the base that it was trained on; default: the setting"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write posts with the latest release of a bot."""
    refuse_undecodable(start)
    storage, release = released_bot(bot)
    from tasks.generation.sampling import generate as write_posts

    with storage.folder(release.folder) as folder:
        chosen = int.from_bytes(os.urandom(4)) if seed is None else seed
        posts = write_posts(
            folder, start, number, chosen, keep_mentions=keep_mentions, base_id=base
        )
    if as_json:
        console.print_json(posts)
        return
    for post in posts:
        console.say(post)


def refuse_undecodable(text: str) -> None:
    """Raises BadInput for text of an argument that was not valid UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput("the start is not valid UTF-8: check the terminal's encoding") from error
