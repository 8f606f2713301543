"""`huggingtweets curate`."""

from __future__ import annotations

from deployments import console
from deployments.cli.options import BotName, Filter, Json, Languages
from tasks.core.names import Bot
from tasks.core.settings import settings


def curate(
    bot: BotName, filter_name: Filter = None, language: Languages = None, as_json: Json = False
) -> None:
    """Show what a bot would be trained on, without training."""
    from tasks.curate import curate_posts
    from tasks.curation.corpus import summary

    chosen = filter_name.value if filter_name else settings().filter
    languages = tuple(language or settings().languages)
    parsed = Bot.parse(bot)
    curated = curate_posts(parsed, chosen, languages)
    if curated.warning:
        console.err.print(curated.warning)
    console.print_row(summary(curated), f"@{parsed}, filter {chosen}", as_json=as_json)
