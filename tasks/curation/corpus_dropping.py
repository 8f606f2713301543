"""Deleting corpora that hold deleted posts; the next retrain builds new ones."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.names import Bot, Handle
from tasks.curation.corpus_files import FOLDER, all_posts_key
from tasks.storage import Storage
from tasks.storage.bot_folders import bots_in


def drop_corpora(storage: Storage, handle: Handle, ids: Collection[str]) -> int:
    """Delete the corpora that hold a post of an account with one of these ids; returns how many.

    They are not rewritten, since a corpus is named after its content. Raises StorageUnusable.
    """
    bots = bots_with(storage, handle)
    for bot in bots:
        storage.delete(all_posts_key(bot))
    corpora = [key for bot in bots for key in storage.keys(f"{FOLDER}/{bot}")]
    holding = [key for key in corpora if _holds(storage, key, handle, ids)]
    for key in holding:
        storage.delete(key)
    return len(holding)


def bots_with(storage: Storage, handle: Handle, folder: str = FOLDER) -> list[Bot]:
    """The bots with a folder or a file below `folder` that an account is part of."""
    return [bot for bot in bots_in(storage, folder) if handle in bot.handles]


def _holds(storage: Storage, key: str, handle: Handle, ids: Collection[str]) -> bool:
    name = storage.full(key)
    table = pq.read_table(name, columns=["handle", "id"], filesystem=storage.filesystem)
    mine = table.filter(pc.field("handle") == handle.name)["id"].to_pylist()
    return not set(ids).isdisjoint(mine)
