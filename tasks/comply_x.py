"""Respect for deletion: drop from the lake what X no longer shows of the posts that it gave."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.lake.ledger import Purse
from tasks.lake.posts import read
from tasks.lake.removal import drop_posts
from tasks.names import Handle
from tasks.sources.x_api_client import PAGE, XApiClient
from tasks.sources.x_api_posts import SOURCE


@dataclass(frozen=True)
class Complied:
    """What a check found.

    checked: posts that came from the X API; dropped: those that X does not show any more.
    """

    handle: Handle
    checked: int
    dropped: int


def comply(handle: Handle, client: XApiClient, purse: Purse) -> Complied:
    """Ask X for every post that it gave of an account, and drop those that are gone.

    Gone are posts that are deleted, and those of an account that is protected, suspended or
    missing. Posts of the owner's own archive stay. X bills each post that it shows; the purse's
    budgets hold, and what was dropped before they end stays dropped. A drop changes the digest of
    the account's dataset, by which its bots become due.
    Raises BudgetExceeded, SourceStopped, StorageUnusable or a transient error.
    """
    table = read(purse.storage, handle)
    sources = table["source"].to_pylist()
    ids = [str(i) for i, s in zip(table["id"].to_pylist(), sources, strict=True) if s == SOURCE]
    purse.afford(handle, len(ids))
    dropped = 0
    for at in range(0, len(ids), PAGE):
        asked = ids[at : at + PAGE]
        with purse.paying(handle, len(asked), 0) as bill:
            found = client.recheck(asked, handle)
            bill.posts = found.shown
        dropped += drop_posts(purse.storage, handle, found.gone, source=SOURCE)
    return Complied(handle, len(ids), dropped)
