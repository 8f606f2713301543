"""`huggingtweets curate`."""

from __future__ import annotations

from deployments import console
from deployments.cli.checks import parse_bot, refuse_without_posts
from deployments.cli.options import BotName, Filter, Json, Languages


def curate(
    bot: BotName, filter_name: Filter = None, language: Languages = None, as_json: Json = False
) -> None:
    """Show what a bot would be trained on, without training."""
    parsed = parse_bot(bot)
    refuse_without_posts([parsed])
    from tasks.core.settings import settings
    from tasks.curation.corpus import summary
    from tasks.operations.curating import curate_posts

    chosen = filter_name.value if filter_name else settings().filter
    languages = tuple(language or settings().languages)
    curated = curate_posts(parsed, chosen, languages)
    if curated.warning:
        console.note(curated.warning)
    console.print_row(summary(curated), f"@{parsed}, filter {chosen}", as_json=as_json)
