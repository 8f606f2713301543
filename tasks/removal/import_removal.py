"""Takes an import back from everything that was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasks.core.names import Handle
from tasks.curation.corpus_dropping import bots_with, drop_corpora
from tasks.ingest.stored_imports import (
    StoredImport,
    drop_import,
    find_import,
    posts_of_import,
)
from tasks.lake.posts import state
from tasks.operations.kept_losses import drop_losses
from tasks.registry.due_marks import mark_due
from tasks.storage import Storage


@dataclass(frozen=True)
class TakenBack:
    """An import that was taken back.

    gone: posts that are not stored any more. stored: those of the account that are.
    due: names of the bots that are to be trained again.
    """

    shown: StoredImport
    gone: int
    stored: int
    due: tuple[str, ...]


def take_back(storage: Storage, handle: Handle, name: str, at: datetime) -> TakenBack:
    """Drop an import's posts, but for those that another import brought too.

    Corpora that hold one of them are deleted, and the bots of the account become due.
    Raises BadInput for an unknown import, DamagedState, StorageUnusable.
    """
    shown = find_import(storage, handle, name)
    before = state(storage, handle).rows
    ids = posts_of_import(storage, handle, name)
    bots = bots_with(storage, handle) if ids else []
    for bot in bots:
        mark_due(storage, bot, f"an import of @{handle} was taken back", at)
    drop_corpora(storage, handle, ids)
    drop_losses(storage, handle)
    drop_import(storage, handle, name)
    stored = state(storage, handle).rows
    return TakenBack(shown, before - stored, stored, tuple(bot.name for bot in bots))
