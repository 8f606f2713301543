"""Where a bot's next training starts, from what is stored of its last release."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

from tasks.core.errors import StorageUnusable
from tasks.core.names import Bot
from tasks.core.records import MANIFEST, Base, Corpus, Release, Spec, WarmStart
from tasks.core.settings import settings
from tasks.curation.corpus_files import CorpusPosts, read_posts
from tasks.operations.checkpoint_keys import fingerprint_of
from tasks.operations.warm_starts import (
    Limits,
    Parent,
    Start,
    made_otherwise,
    parent_in,
    start_from,
)
from tasks.publishing.release_manifest import warm_start_in
from tasks.publishing.releases import latest_release, verify_release
from tasks.storage import Storage, storage_root

log = logging.getLogger("huggingtweets")
START = "start"  # under which an outcome's details say where training started


def released_already(
    bot: Bot, corpus: Corpus, base: Base, spec: Spec, *, from_base: bool = False
) -> Release | None:
    """The latest release, where it was made from the same inputs and is still whole.

    from_base: only where it was trained from the base.
    """
    storage = storage_root()
    release = latest_release(storage, bot)
    if release is None:
        return None
    started_from = warm_start_in(_manifest(storage, release))
    if from_base and started_from is not None:
        return None
    if release.fingerprint != fingerprint_of(corpus, base, spec, started_from):
        return None
    return release if verify_release(storage, release) else None


def training_start(bot: Bot, corpus: Corpus, base: Base, spec: Spec, *, from_base: bool) -> Start:
    """Where a training of the bot on this corpus starts.

    from_base: from the base, since somebody has asked for it. Raises StorageUnusable where the
    corpus cannot be read.
    """
    storage = storage_root()
    start = _start(storage, bot, corpus, base, spec, from_base=from_base)
    log.info("@%s: training starts %s", bot, start)
    return start


def _start(
    storage: Storage, bot: Bot, corpus: Corpus, base: Base, spec: Spec, *, from_base: bool
) -> Start:
    if from_base:
        return Start(None, "it was asked for")
    if (release := latest_release(storage, bot)) is None:
        return Start(None, "there is no release yet")
    if (parent := parent_in(_manifest(storage, release))) is None:
        return Start(None, f"release {release.revision} does not say what it was made from")
    if (reason := made_otherwise(parent, corpus, base, spec)) is not None:
        return Start(None, reason)
    return _start_from(storage, release, parent, corpus)


def _start_from(storage: Storage, release: Release, parent: Parent, corpus: Corpus) -> Start:
    if (before := _posts_of(storage, parent, corpus)) is None:
        return Start(None, f"the posts of release {release.revision} are not stored any more")
    limits = Limits(settings().warm_share, settings().warm_days)
    now = read_posts(storage, corpus)
    start = start_from(parent, release.folder, before, now, limits, datetime.now(UTC))
    if (possible := start.warm_start or start.instead) is None:
        return start
    if _is_whole(storage, release, possible):
        return start
    return Start(None, f"the weights of release {release.revision} are missing or damaged")


def _manifest(storage: Storage, release: Release) -> object:
    return storage.read_json(f"{release.folder}/{MANIFEST}")


def _posts_of(storage: Storage, parent: Parent, corpus: Corpus) -> CorpusPosts | None:
    """The posts that the release was made from; None where they have gone, as deleted ones do."""
    try:
        return read_posts(storage, replace(corpus, file=parent.file))
    except StorageUnusable:
        return None


def _is_whole(storage: Storage, release: Release, warm_start: WarmStart) -> bool:
    weights = warm_start.weights
    return verify_release(storage, release) and storage.sha256(weights.uri) == weights.sha256
