"""Which accounts have posts from services that can be asked whether they still show them."""

from __future__ import annotations

from collections.abc import Collection

from tasks.core.names import Handle
from tasks.ingest.services import COMMUNITY_ARCHIVE, X_API
from tasks.lake.posts import handles, state
from tasks.storage import Storage

CHECKED = (COMMUNITY_ARCHIVE, X_API)
NOTHING = "no posts from the Community Archive or the X API are stored"


def accounts_to_check(storage: Storage, asked: Collection[Handle] = ()) -> list[tuple[Handle, str]]:
    """The accounts with posts from such services, and these services.

    asked: these accounts only; none: all that have posts in the lake. Raises StorageUnusable.
    """
    found = []
    for handle in asked or handles(storage):
        sources = state(storage, handle).sources
        found += [(handle, service) for service in CHECKED if service in sources]
    return found
