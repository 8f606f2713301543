"""`huggingtweets curate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.checks import check_languages, parse_bot, refuse_without_posts
from deployments.cli.options import BotName, Filter, Json, Languages

if TYPE_CHECKING:
    from tasks.curation.examples import Example

_USUAL = 20


def curate(
    bot: BotName,
    filter_name: Filter = None,
    language: Languages = None,
    show: Annotated[
        int | None, typer.Option(min=1, help="Print so many kept posts, and dropped ones by reason")
    ] = None,
    dropped: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Print posts dropped for this reason, such as retweet"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a bot would be trained on, without training."""
    parsed = parse_bot(bot)
    check_languages(language or ())
    refuse_without_posts([parsed])
    from tasks.core.settings import settings
    from tasks.operations.curating import curate_posts, examples_of, summary_of
    from tasks.operations.first_retrain import first_retrain

    chosen = filter_name.value if filter_name else settings().filter
    languages = tuple(language or settings().languages)
    if show is not None or dropped is not None:
        reason = dropped.replace("_", " ") if dropped else None
        examples = examples_of(parsed, chosen, languages, show or _USUAL, reason)
        if as_json:
            console.print_json(examples)
        else:
            _print_examples(examples)
        return
    curated = curate_posts(parsed, chosen, languages)
    if curated.warning:
        console.note(curated.warning)
    found = summary_of(parsed, chosen, curated)
    if as_json:
        console.print_json(found)
        return
    console.say(f"@{parsed}, filter {chosen}")
    counts = {"downloaded": found.downloaded, **found.dropped, "kept": found.kept}
    console.print_fields({**counts, "characters": found.characters})
    console.note(f"Posts are printed by --show 20.\nNext: {first_retrain(parsed)}")


def _print_examples(examples: list[Example]) -> None:
    heading = ""
    for each in examples:
        title = f"@{each.handle}, {'dropped: ' + each.dropped if each.dropped else 'kept'}"
        if title != heading:
            console.say(f"{'' if not heading else chr(10)}{title}")
            heading = title
        console.say_item(each.text)
    if not examples:
        console.say("There are no such posts.")
