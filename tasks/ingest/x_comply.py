"""Respect for deletion: drop what X no longer shows of the posts that it gave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from tasks.core.names import Handle
from tasks.ingest.ledger import Purse
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import handles, read, state
from tasks.sources.x_api.client import PAGE, XApiClient
from tasks.sources.x_api.responses import SOURCE
from tasks.storage import Storage

_log = logging.getLogger("huggingtweets")


def handles_of_x(storage: Storage) -> list[Handle]:
    """The accounts of which the lake holds posts that came from the X API, sorted."""
    return [handle for handle in handles(storage) if SOURCE in state(storage, handle).sources]


def drop_gone(
    handle: Handle,
    client: XApiClient,
    purse: Purse,
    before: Callable[[Collection[str]], object],
) -> tuple[int, int]:
    """Ask X for every post that it gave of an account, and drop those that are gone.

    Gone are posts that are deleted, and those of an account that is protected, suspended or
    missing. Posts of the owner's own archive stay. X bills each post that it shows; the budgets
    hold, and what was dropped before they end stays dropped.
    before: called with the ids of a page's gone posts before these leave the lake, which comes last
    since after a crash it is what is asked again.
    Returns how many posts were checked and dropped.
    Raises BudgetExceeded, SourceStopped, StorageUnusable or a transient error.
    """
    ids = _ids_from_x(purse.storage, handle)
    cost = purse.afford(handle, len(ids))
    _log.info("@%s: asking X for %d posts, for $%.2f at most", handle, cost.posts, cost.dollars)
    dropped = 0
    for at in range(0, len(ids), PAGE):
        asked = ids[at : at + PAGE]
        with purse.paying(handle, len(asked), 0) as bill:
            found = client.recheck(asked, handle)
            bill.posts = found.shown
        if found.gone:
            before(found.gone)
            drop_posts(purse.storage, handle, found.gone, source=SOURCE)
        dropped += len(found.gone)
        _log.info("@%s: %d of %d posts checked", handle, at + len(asked), len(ids))
    return len(ids), dropped


def _ids_from_x(storage: Storage, handle: Handle) -> list[str]:
    table = read(storage, handle)
    sources = table["source"].to_pylist()
    return [str(i) for i, s in zip(table["id"].to_pylist(), sources, strict=True) if s == SOURCE]
