"""Removes what no release, and no training under way, needs any more, and old tracked runs."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.core.names import Bot
from tasks.curation.corpus_files import FOLDER as CORPORA
from tasks.ingest.scrape_state import STOPS
from tasks.operations.checkpoint_keys import CHECKPOINTS, RESUME, checkpoint_key
from tasks.operations.kept_losses import FOLDER as LOSSES
from tasks.publishing.releases import inputs_of_releases
from tasks.registry.nights import FOLDER as NIGHTS
from tasks.registry.outcomes import load_outcome
from tasks.storage import Storage
from tasks.storage.bot_folders import bots_in
from tasks.tracking.offline_runs import recorded_before

log = logging.getLogger("huggingtweets")

# What is younger may be on its way into a release.
IN_USE = timedelta(days=1)
# An unfinished training that nobody has resumed by then begins anew.
RESUMABLE = timedelta(days=7)
# Plans and summaries of nights and backfills, sources' stops, tracked runs that nobody has sent.
REMEMBERED = timedelta(days=90)


@dataclass
class Freed:
    """How many files went, and how many bytes they had, by what they were.

    A file of which a release has a hard link counts though its bytes stay.
    """

    files: dict[str, int]
    bytes: dict[str, int]

    @classmethod
    def nothing(cls) -> Freed:
        """Nothing so far."""
        return cls(defaultdict(int), defaultdict(int))

    def add(self, kind: str, sizes: Iterable[int]) -> None:
        """Count files of these sizes."""
        counted = list(sizes)
        self.files[kind] += len(counted)
        self.bytes[kind] += sum(counted)


def tidy(storage: Storage, now: datetime, freed: Freed | None = None) -> Freed:
    """Remove what nothing needs of checkpoints, trainings, corpora and losses, and old nights.

    What kept releases were made from stays, and so does the last outcome's corpus, and whatever is
    younger than a day. Returns what was freed, added to `freed`. Raises StorageUnusable.
    """
    freed = freed or Freed.nothing()
    for kind, key in [*_unneeded(storage, now)]:
        sizes = storage.files(key)
        storage.delete(key)
        freed.add(kind, sizes.values())
        log.info("removed %s: nothing needs it any more", key)
    for night in storage.folders(NIGHTS):
        storage.delete_empty(night)  # older versions left those of backfills
    return freed


def tidy_tracked_runs(folder: Path, now: datetime, freed: Freed) -> None:
    """Remove tracked runs that nobody has sent for long. Raises OSError.

    folder: with a folder for each bot. freed: what was freed is added to it.
    """
    for run in recorded_before(folder, now - REMEMBERED):
        files = [path for path in run.rglob("*") if path.is_file()]
        freed.add("tracked runs", [file.lstat().st_size for file in files])
        shutil.rmtree(run)
        log.info("removed %s: it is %d days old", run, REMEMBERED.days)


def _unneeded(storage: Storage, now: datetime) -> Iterator[tuple[str, str]]:
    """What can go: its kind and its key."""
    folders = (CHECKPOINTS, RESUME, CORPORA)
    for bot in sorted({bot for folder in folders for bot in bots_in(storage, folder)}):
        needed = _needed(storage, bot)
        for folder in folders:
            for key in [*storage.folders(f"{folder}/{bot}"), *storage.keys(f"{folder}/{bot}")]:
                patience = RESUMABLE if folder == RESUME else IN_USE
                if key not in needed and _last_change(storage, key) < now - patience:
                    yield folder, key
    yield from _unneeded_losses(storage, now)
    for key in [*storage.folders(NIGHTS), *storage.keys(NIGHTS)]:
        if _last_change(storage, key) < now - REMEMBERED:
            yield NIGHTS, key
    for source in storage.folders(STOPS):
        for key in storage.keys(source):
            if _last_change(storage, key) < now - REMEMBERED:
                yield STOPS, key


def _unneeded_losses(storage: Storage, now: datetime) -> Iterator[tuple[str, str]]:
    """Those of bots without a release: nothing will be compared with them."""
    for bot in bots_in(storage, LOSSES):
        key = f"{LOSSES}/{bot}.json"
        released = next(inputs_of_releases(storage, bot), None) is not None
        if not released and _last_change(storage, key) < now - IN_USE:
            yield LOSSES, key


def _needed(storage: Storage, bot: Bot) -> set[str]:
    """The keys of all that kept releases, and the last outcome, were made from."""
    keys = {f"{CORPORA}/{bot}/all_posts.parquet"}
    for fingerprint, corpus in inputs_of_releases(storage, bot):
        keys |= {checkpoint_key(bot, fingerprint), corpus}
    outcome = load_outcome(storage, bot)
    if outcome is not None and outcome.corpus is not None:
        keys.add(outcome.corpus.file.uri)
    return keys


def _last_change(storage: Storage, key: str) -> datetime:
    """When the newest file at or below a key was written."""
    times = [storage.modified_at(file) for file in storage.files(key)]
    return max((time for time in times if time is not None), default=datetime.now(UTC))
