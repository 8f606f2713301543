"""`huggingtweets generate`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.checks import check_base, released_bot
from deployments.cli.common import quick_loading
from deployments.cli.options import (
    BotName,
    KeepMentions,
    MaxTokens,
    OwnBase,
    Seed,
    Temperature,
    TopP,
)
from tasks.core.errors import BadInput

if TYPE_CHECKING:
    from tasks.generation.release_writer import Post

SEPARATOR = "---"  # between posts of which one holds a line break


def generate(
    bot: BotName,
    start: Annotated[str, typer.Argument(help="The beginning of each post")] = "",
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="Number of posts")] = 5,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.95,
    seed: Seed = None,
    max_tokens: MaxTokens = 160,
    keep_mentions: KeepMentions = False,
    base: OwnBase = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each post, one a line")
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="End each post with a NUL, as for `xargs -0`")
    ] = False,
) -> None:
    """Write posts with the latest release of a bot."""
    refuse_undecodable(start)
    if as_json and null:
        raise BadInput("--json and --null: choose one")
    check_draw(temperature, top_p)
    check_base(base)
    with quick_loading():
        storage, release = released_bot(bot)
        from tasks.generation.decoding import Draw
        from tasks.generation.release_writer import ReleaseWriter

    with storage.folder(release.folder) as folder:
        with quick_loading():
            writer = ReleaseWriter(folder, base)
        preview = None if as_json or null else preview_here()
        posts = writer.posts(
            start,
            number,
            drawn_seed() if seed is None else seed,
            keep_mentions=keep_mentions,
            max_tokens=max_tokens,
            drawing=Draw(temperature, top_p),
            show=preview.show if preview else None,
        )
        print_posts(posts, preview, as_json=as_json, null=null)


@dataclass
class Preview:
    """A post that is being written, on a line of the terminal that the next finished one replaces.

    printed: the numbers of the posts that are finished and printed.
    """

    printed: set[int] = field(default_factory=set)

    def show(self, texts: list[str]) -> None:
        """Show the first unfinished one of the posts that are written together."""
        from tasks.generation.sampling import BATCH

        first = len(self.printed) // BATCH * BATCH
        places = (place for place in range(len(texts)) if first + place not in self.printed)
        text = " ".join(texts[next(places)].split())
        # What is not ASCII may take two columns; a line that wraps could not be replaced.
        room = (console.width() - 1) // (1 if text.isascii() else 2) - 1
        console.show_line(text if len(text) <= room else f"…{text[-room:]}")


def preview_here() -> Preview | None:
    """A preview, where somebody sees it and it leaves no traces."""
    seen = sys.stdout.isatty() and sys.stderr.isatty() and console.verbosity() >= 0
    return Preview() if seen else None


def print_posts(
    posts: Iterable[Post],
    preview: Preview | None = None,
    *,
    as_json: bool = False,
    null: bool = False,
) -> None:
    """Print each post when it comes: as JSON, ended by a NUL, or as text for people."""
    before = ""
    for place, (number, post) in enumerate(posts):
        if preview:
            preview.printed.add(number)
        if as_json:
            _write(f"{json.dumps({'text': post}, ensure_ascii=True)}\n")
        elif null:
            _write(f"{post}\0")
        else:
            if place and ("\n" in before or "\n" in post):
                console.say(SEPARATOR)
            console.say(post)
        before = post


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def drawn_seed() -> int:
    """A seed for posts that need not be reproducible."""
    return int.from_bytes(os.urandom(4))


def check_draw(temperature: float, top_p: float) -> None:
    """Raises BadInput for a temperature or a nucleus that nothing can be drawn with."""
    if not 0.01 <= temperature <= 100:  # also what is no number
        raise BadInput(
            f"temperature {temperature:g}: use a number from 0.01 to 100; 1 is the usual"
        )
    if not 0 < top_p <= 1:
        raise BadInput(f"top-p {top_p:g}: use a number above 0 and at most 1; 0.95 is the usual")


def refuse_undecodable(text: str) -> None:
    """Raises BadInput for text of an argument that was not valid UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput("the start is not valid UTF-8: check the terminal's encoding") from error
