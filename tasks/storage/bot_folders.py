"""Folders of the storage that hold a folder or a file for each bot."""

from __future__ import annotations

from pathlib import PurePosixPath

from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Bot
from tasks.storage.root import Storage


def bots_in(storage: Storage, folder: str) -> list[Bot]:
    """The bots that have a folder or a JSON file below `folder`, sorted."""
    bots = set()
    for key in (*storage.folders(folder), *storage.keys(folder)):
        try:
            bots.add(Bot.parse(PurePosixPath(key).name.removesuffix(".json")))
        except HuggingtweetsError:
            continue  # not of a bot
    return sorted(bots)
