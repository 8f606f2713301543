"""Reads what a bot would be made of, and reports what was understood; stores nothing.

    python -m deployments.web.understand

The command is `{"id", "sources"}`. The posts go into a storage of this process's own, which is
deleted with it: what is shown has passed the same readers, lake and filters as in the making. Of a
service only the first page is read. The answers are `{"understood"}` or `{"error"}`.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from deployments import console
from deployments.web.bot_sources import FromService, UsedFile, first_page, parse_source
from deployments.web.json_lines import answers, commands
from tasks.core.errors import HuggingtweetsError, NotEnoughPosts
from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.ingest.import_report import ReportedSource
from tasks.ingest.importing import import_posts
from tasks.operations.curating import curate_posts, examples_of, summary_of
from tasks.storage import storage_root
from tasks.storage.drafts import temporary_folder
from tasks.storage.opt_outs import refuse_opted_out

_EXAMPLES = 3
_MOST_CHARACTERS = 1_000  # of an example


def main() -> None:
    """Understand what the one command names."""
    console.prepare_environment()
    answer = answers()
    for command in commands(on_end=lambda: os._exit(0)):
        try:
            with temporary_folder() as folder:
                sources = [parse_source(each) for each in command["sources"]]
                answer({"understood": understood(sources, str(folder))})
        except HuggingtweetsError as error:
            answer({"error": _without_paths(str(error), command["sources"])})
        return


def understood(sources: list[UsedFile | FromService], scratch: str) -> dict[str, Any]:
    """What was understood of the sources; scratch: a folder to keep their posts in.

    Raises BadInput, UnreadableSource, AccountUnavailable, OptedOut, TransientError.
    """
    opened = [each.open() if isinstance(each, UsedFile) else first_page(each) for each in sources]
    bot = Bot(tuple(sorted({each.handle for each in opened})))
    refuse_opted_out(storage_root(), *bot.handles)
    os.environ["HUGGINGTWEETS_STORAGE"] = scratch
    settings.cache_clear()
    read = []
    for asked, source in zip(sources, opened, strict=True):
        reported = ReportedSource(source)
        scraped = import_posts(source.handle, reported)
        profile = source.profile()
        read.append(
            {
                "handle": source.handle.name,
                "written": source.handle.written,
                "name": profile.display_name if profile else None,
                "source": source.name,
                "file": asked.path.name if isinstance(asked, UsedFile) else "",
                "is_first_page": isinstance(asked, FromService),
                "read": scraped.seen,
                **_shortened(reported.report()),
            }
        )
    return {"bot": bot.name, "sources": read, **_curated(bot)}


def _curated(bot: Bot) -> dict[str, Any]:
    """What the bot would be trained on: numbers, a warning, and examples."""
    filter_name, languages = settings().filter, settings().languages
    found = examples_of(bot, filter_name, languages, _EXAMPLES)
    examples = [{**asdict(each), "text": each.text[:_MOST_CHARACTERS]} for each in found]
    try:
        curation = summary_of(bot, filter_name, curate_posts(bot, filter_name, languages))
    except NotEnoughPosts as error:
        return {"examples": examples, "curation": None, "too_little": str(error)}
    return {"examples": examples, "curation": asdict(curation), "too_little": None}


def _shortened(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "samples": [text[:_MOST_CHARACTERS] for text in report["samples"]]}


def _without_paths(message: str, sources: list[dict[str, Any]]) -> str:
    """A message that names files as they were called, and not where they lie here."""
    for each in sources:
        if "path" in each:
            folder, _, _ = each["path"].rpartition("/")
            message = message.replace(f"{folder}/", "")
    return message


if __name__ == "__main__":
    main()
