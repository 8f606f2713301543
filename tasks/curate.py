"""From stored posts to a corpus."""

from __future__ import annotations

import logging

from prefect import task

from tasks.core.errors import BadInput
from tasks.core.names import Bot, Handle
from tasks.core.records import Corpus
from tasks.core.settings import settings
from tasks.curation.corpus_files import write_corpus
from tasks.lake.posts import LakeState, state
from tasks.operations.curating import curate_posts
from tasks.orchestration.policies import RETRY, UNCACHED, cached
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out

log = logging.getLogger("huggingtweets")


@task(name="curate", task_run_name="curate @{bot}", **RETRY, **cached("curate"))
def curate_task(
    bot: Bot,
    filter_name: str,
    languages: tuple[str, ...],
    posts: tuple[LakeState, ...],
    min_characters: int,
) -> Corpus:
    """Filter, split and store; `posts` and `min_characters` make the cache key complete."""
    del posts, min_characters
    curated = curate_posts(bot, filter_name, languages)
    if curated.warning:
        log.warning("%s", curated.warning)
    return write_corpus(storage_root(), curated, bot, filter_name)


@task(name="store", task_run_name="store @{handle}", **UNCACHED)
def stored_posts(handle: Handle) -> LakeState:
    """What is stored of an account. Raises OptedOut, and BadInput where nothing is stored."""
    refuse_opted_out(storage_root(), handle)
    found = state(storage_root(), handle)
    if found.rows == 0:
        raise BadInput(
            f"@{handle}: no posts are stored; import some with "
            f"`huggingtweets import FILE --handle {handle}` or name a --source"
        )
    return found


def notes_on(corpus: Corpus) -> tuple[str, ...]:
    """What an outcome says of its corpus."""
    if not corpus.drawn:
        return ()
    whose = ", ".join(f"@{name}" for name in corpus.drawn)
    return (f"the held-out posts of {whose} were drawn at random, since the posts have no dates",)


def curate(bot: Bot, filter_name: str, languages: tuple[str, ...]) -> Corpus:
    """The bot's corpus, made again where its file is gone or an older version made it.

    Raises as `stored_posts` and `curate_posts` do.
    """
    posts = tuple(stored_posts(handle) for handle in bot.handles)
    inputs = (bot, filter_name, languages, posts, settings().min_characters)
    corpus = curate_task(*inputs)
    if None in (corpus.languages, corpus.drawn) or not storage_root().exists(corpus.file.uri):
        corpus = curate_task.with_options(refresh_cache=True)(*inputs)
    return corpus
