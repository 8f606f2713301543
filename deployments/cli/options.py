"""The options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class FilterName(StrEnum):
    """The filters that a corpus can be curated with."""

    MODERN = "modern"
    CLASSIC = "classic"


def complete_bot(incomplete: str) -> list[str]:
    """The bots and accounts of the storage whose names begin so: for shells."""
    from tasks.storage import storage_root
    from tasks.storage.bot_folders import bots_in

    names = {
        bot.name for folder in ("releases", "posts") for bot in bots_in(storage_root(), folder)
    }
    return sorted(name for name in names if name.startswith(incomplete.removeprefix("@").lower()))


BotName = Annotated[
    str,
    typer.Argument(
        metavar="BOT", help="`alice`, or `alice-bob` for several", autocompletion=complete_bot
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]
Base = Annotated[str | None, typer.Option(help="Hub id or folder of the base model, or `embedded`")]
Filter = Annotated[FilterName | None, typer.Option("--filter", help="The filter for posts")]
Languages = Annotated[
    list[str] | None, typer.Option("--language", help="Keep only this language; repeatable")
]
Push = Annotated[bool, typer.Option("--push", help="Publish to the Hugging Face Hub as well")]
OnWorkers = Annotated[
    bool, typer.Option("--on-workers", help="Train on the workers, not in this process")
]
Chunk = Annotated[int, typer.Option(min=1, max=200, help="Bots per flow run")]
Temperature = Annotated[
    float, typer.Option(help="Of drawing tokens: lower is tamer, higher is wilder")
]
TopP = Annotated[
    float, typer.Option(help="Share of the probability that tokens are drawn from, up to 1")
]
SEEDS = 2**63  # what torch takes
Seed = Annotated[
    int | None, typer.Option(min=0, max=SEEDS - 1, help="Makes the posts reproducible")
]
MaxTokens = Annotated[int, typer.Option(min=16, max=4096, help="Tokens of a post at most")]
KeepMentions = Annotated[
    bool, typer.Option("--keep-mentions", help="Let posts mention accounts, as @somebody")
]
OwnBase = Annotated[
    str | None,
    typer.Option(help="For an adapter: the base that it was trained on; default: the setting"),
]
