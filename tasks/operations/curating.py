"""What a bot would be trained on, from the posts that are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.curation.corpus import Curated, build_corpus
from tasks.curation.examples import Example, dropped_examples, kept_examples
from tasks.curation.filters import find_filter
from tasks.lake.posts import read
from tasks.operations.machine_names import machine_name
from tasks.storage import storage_root


def examples_of(
    bot: Bot, filter_name: str, languages: tuple[str, ...], number: int, reason: str | None = None
) -> list[Example]:
    """Kept posts of each account, and dropped ones of each reason; or of one reason only.

    number: at most so many of each. Raises BadInput for an unknown filter or reason.
    """
    chosen, storage = find_filter(filter_name), storage_root()
    found: list[Example] = []
    for handle in bot.handles:
        posts = read(storage, handle)
        filtered = chosen(posts, languages)
        if reason is None:
            found += kept_examples(handle.name, filtered, number)
        found += dropped_examples(handle.name, posts, filtered, number, reason)
    return found


def curate_posts(bot: Bot, filter_name: str, languages: tuple[str, ...]) -> Curated:
    """What the bot would be trained on. Raises NotEnoughPosts, BadInput."""
    storage = storage_root()
    posts = {handle: read(storage, handle) for handle in bot.handles}
    limits = settings()
    return build_corpus(
        bot,
        posts,
        filter_name=filter_name,
        languages=languages,
        floor=limits.min_characters,
        warn_below=limits.warn_characters,
    )


@dataclass(frozen=True)
class Curation:
    """What a bot would be trained on, in numbers: `downloaded = kept + sum(dropped.values())`.

    dropped: posts by reason. characters: of the kept texts. train, held_out: posts.
    first_post, last_post: dates of the oldest and the newest kept post, where known.
    languages: of the kept posts, the most frequent first. warning: where there is little text.
    """

    bot: str
    filter: str
    downloaded: int
    dropped: dict[str, int]
    kept: int
    characters: int
    train: int
    held_out: int
    first_post: str | None
    last_post: str | None
    languages: tuple[str, ...]
    warning: str | None


def summary_of(bot: Bot, filter_name: str, curated: Curated) -> Curation:
    """A curated corpus in numbers, of all its accounts together."""
    every, dropped = list(curated.counts.values()), Counter[str]()
    for counts in every:
        dropped.update(counts.dropped)
    return Curation(
        bot=bot.name,
        filter=filter_name,
        downloaded=sum(counts.downloaded for counts in every),
        dropped={machine_name(reason): number for reason, number in dropped.items()},
        kept=sum(counts.kept for counts in every),
        characters=curated.characters,
        train=curated.train,
        held_out=curated.held_out,
        first_post=curated.first_post,
        last_post=curated.last_post,
        languages=curated.languages,
        warning=curated.warning,
    )
