"""The losses of a bot's held-out posts, kept so that a retrain measures new posts only.

losses/<bot>.json   by weights and precision, the loss of each post by the digest of its tokens
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.core.errors import DamagedState, OptedOut
from tasks.core.names import Bot, Handle
from tasks.curation.corpus_dropping import bots_with
from tasks.storage import Storage
from tasks.storage.opt_outs import refuse_opted_out
from tasks.storage.state_file import StateFiles
from tasks.training.post_losses import Losses, PostLosses

log = logging.getLogger("huggingtweets")

FOLDER = "losses"
_LOSSES = StateFiles(FOLDER, Losses, remedy="the next evaluation replaces it")


@contextmanager
def kept_losses(storage: Storage, bot: Bot, *, prune: bool = False) -> Iterator[PostLosses]:
    """What is known of a bot's held-out posts, stored again at the end of the block.

    prune: store what the block has used and nothing else. An evaluation asks for all that the next
    retrain may need; a training does not ask for the release's. Raises OptedOut where an owner
    asked for that meanwhile.
    """
    losses = PostLosses(_load(storage, bot))
    yield losses
    _LOSSES.save(storage, bot.name, losses.used if prune else losses.known)
    try:
        refuse_opted_out(storage, *bot.handles)
    except OptedOut:
        _LOSSES.delete(storage, bot.name)
        raise


def _load(storage: Storage, bot: Bot) -> Losses:
    try:
        return _LOSSES.load(storage, bot.name) or {}
    except DamagedState as error:
        log.warning("measuring all held-out posts: %s", error)
        return {}


def drop_losses(storage: Storage, handle: Handle) -> None:
    """Delete what is known of the posts of an account's bots, since some posts were deleted."""
    for bot in bots_with(storage, handle, FOLDER):
        _LOSSES.delete(storage, bot.name)
