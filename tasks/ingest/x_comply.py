"""Respect for deletion: drop what X no longer shows of the posts that it gave."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

from tasks.core.names import Handle
from tasks.curation.corpus_dropping import bots_with, drop_corpora
from tasks.ingest.ledger import Purse
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import handles, read, state
from tasks.registry.due_marks import mark_due
from tasks.sources.x_api_client import PAGE, XApiClient
from tasks.sources.x_api_posts import SOURCE
from tasks.storage import Storage

_log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Complied:
    """What a check found.

    checked: posts that came from the X API; dropped: those that X does not show any more.
    corpora: files that held one of these and are deleted.
    due: names of the bots that are to be trained again.
    """

    handle: Handle
    checked: int
    dropped: int
    corpora: int = 0
    due: tuple[str, ...] = ()


def handles_of_x(storage: Storage) -> list[Handle]:
    """The accounts of which the lake holds posts that came from the X API, sorted."""
    return [handle for handle in handles(storage) if SOURCE in state(storage, handle).sources]


def comply(handle: Handle, client: XApiClient, purse: Purse) -> Complied:
    """Ask X for every post that it gave of an account, and drop those that are gone.

    Gone are posts that are deleted, and those of an account that is protected, suspended or
    missing. They leave the lake, and the corpora that hold one are deleted; the bots built on the
    account become due. Posts of the owner's own archive stay. X bills each post that it shows; the
    purse's budgets hold, and what was dropped before they end stays dropped.
    Raises BudgetExceeded, SourceStopped, StorageUnusable or a transient error.
    """
    ids = _ids_from_x(purse.storage, handle)
    cost = purse.afford(handle, len(ids))
    _log.info("@%s: asking X for %d posts, for $%.2f at most", handle, cost.posts, cost.dollars)
    dropped = corpora = 0
    for at in range(0, len(ids), PAGE):
        asked = ids[at : at + PAGE]
        with purse.paying(handle, len(asked), 0) as bill:
            found = client.recheck(asked, handle)
            bill.posts = found.shown
        corpora += _drop(purse, handle, found.gone)
        dropped += len(found.gone)
        _log.info("@%s: %d of %d posts checked", handle, at + len(asked), len(ids))
    due = bots_with(purse.storage, handle) if dropped else []
    return Complied(handle, len(ids), dropped, corpora, tuple(bot.name for bot in due))


def _ids_from_x(storage: Storage, handle: Handle) -> list[str]:
    table = read(storage, handle)
    sources = table["source"].to_pylist()
    return [str(i) for i, s in zip(table["id"].to_pylist(), sources, strict=True) if s == SOURCE]


def _drop(purse: Purse, handle: Handle, gone: Collection[str]) -> int:
    """Drop posts everywhere; the lake comes last, as after a crash it is what is asked again."""
    if not gone:
        return 0
    storage = purse.storage
    for bot in bots_with(storage, handle):
        mark_due(storage, bot, f"posts of @{handle} are gone from X", purse.now())
    corpora = drop_corpora(storage, handle, gone)
    drop_posts(storage, handle, gone, source=SOURCE)
    return corpora
