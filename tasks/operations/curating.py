"""What a bot would be trained on, from the posts that are stored."""

from __future__ import annotations

from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.curation.corpus import Curated, build_corpus
from tasks.lake.posts import read
from tasks.storage import storage_root


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
