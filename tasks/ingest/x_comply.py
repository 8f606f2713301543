"""Compliance with deletions: drop posts from the X API that X no longer shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from tasks.core.names import Handle
from tasks.ingest.ledger import ScrapeBudget
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import ids_from
from tasks.sources.x_api.client import PAGE, XApiClient
from tasks.sources.x_api.responses import SOURCE

_log = logging.getLogger("huggingtweets")


def drop_gone(
    handle: Handle,
    client: XApiClient,
    budget: ScrapeBudget,
    before: Callable[[Collection[str]], object],
) -> tuple[int, int]:
    """Ask X again for every post of an account that came from it, and drop those that are gone.

    Gone are deleted posts, and all posts of an account that is protected, suspended or missing.
    Posts from the owner's archive stay. X bills each post that it shows; the budgets apply, and
    what was dropped before they are used up stays dropped.
    before: called with the ids of a page's gone posts before the lake drops them. The lake comes
    last: after a crash it still says what to ask again.
    Returns how many posts were checked and dropped.
    Raises BudgetExceeded, SourceStopped, StorageUnusable or a transient error.
    """
    ids = ids_from(budget.storage, handle, SOURCE)
    cost = budget.estimate(handle, len(ids))
    _log.info("@%s: asking X for %d posts, for $%.2f at most", handle, cost.posts, cost.dollars)
    dropped = 0
    for at in range(0, len(ids), PAGE):
        asked = ids[at : at + PAGE]
        with budget.paying(handle, len(asked), 0) as bill:
            found = client.recheck(asked, handle)
            bill.posts = found.shown
        if found.gone:
            before(found.gone)
            drop_posts(budget.storage, handle, found.gone, source=SOURCE)
        dropped += len(found.gone)
        _log.info("@%s: %d of %d posts checked", handle, at + len(asked), len(ids))
    return len(ids), dropped
