"""Nights as the flow `nightly` has them, but with stand-ins for trainings and without Prefect."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.records import Base, Checkpoint, Corpus, FileRef, Outcome, Spec, Status, TrackedRun
from tasks.core.settings import settings
from tasks.curation.corpus_files import write_corpus
from tasks.evaluation.gate import verdict_on
from tasks.operations.checkpoint_keys import CHECKPOINTS, checkpoint_key, fingerprint_of
from tasks.operations.curating import curate_posts
from tasks.operations.night_plan import select, summary_of
from tasks.operations.retrain_record import begin_retrain, now, record
from tasks.publish import publish
from tasks.registry import nights
from tasks.registry.due import Due, NightBudget
from tasks.registry.entries import load_registry
from tasks.registry.outcomes import load_outcome
from tasks.scrape import scrape_file
from tasks.sources.file_sources import file_digest
from tasks.storage import Storage, sha256_of, storage_root
from tasks.tidy import tidy_everywhere
from tasks.training.bases.base_models import resolve_base

WEIGHTS = 8_000  # bytes


def pass_night(registry: Path) -> dict[str, int]:
    """Retrain what is due; returns how many bots came to which outcome."""
    storage, at = storage_root(), datetime.now(UTC)
    due = select(storage, load_registry(registry), NightBudget(), at).chosen
    bots = [{"bot": each.entry.bot.name, "why": each.reason} for each in due]
    plan = {"began": at.isoformat(), "bots": bots, "left": [], "before": {}}
    night = f"{at:%Y-%m-%d}"
    nights.save_plan(storage, night, plan)
    summary = summary_of(night, plan, [_retrain(storage, each) for each in due])
    nights.save_summary(storage, night, summary)
    tidy_everywhere(datetime.now(UTC))
    counts: dict[str, int] = summary["counts"]
    return counts


def _retrain(storage: Storage, due: Due) -> Outcome:
    bot, began = due.entry.bot, datetime.now(UTC)
    begin_retrain(bot)
    for handle in bot.handles:
        source = due.entry.sources[handle.name]
        scrape_file.fn(handle, source, file_digest(Path(source)))
    corpus = write_corpus(storage, curate_posts(bot, settings().filter, ()), bot, settings().filter)
    base = resolve_base(str(due.entry.base), settings().cache)
    checkpoint = _stand_in(storage, corpus, base, due.entry.spec)
    before = load_outcome(storage, bot)
    if before is None or before.evaluation is None:
        raise AssertionError(f"@{bot} was not released by a real night")
    evaluation = before.evaluation
    release = publish.fn(
        corpus, base, checkpoint, evaluation, verdict_on(evaluation), due.entry.spec, TrackedRun(),
        for_hub=False,
    )  # fmt: skip
    outcome = Outcome(bot.name, Status.RELEASED, "", now(), release, corpus, evaluation)
    return record(outcome, began, trained=True)


def _stand_in(storage: Storage, corpus: Corpus, base: Base, spec: Spec) -> Checkpoint:
    """A checkpoint of random weights, with the other files of one that was trained."""
    fingerprint = fingerprint_of(corpus, base, spec)
    key = checkpoint_key(corpus.bot, fingerprint)
    trained = storage.folders(f"{CHECKPOINTS}/{corpus.bot}")[0]
    with storage.new_folder(key) as folder:
        shutil.copytree(storage.local(trained), folder, dirs_exist_ok=True)
        weights = folder / "model.safetensors"
        weights.unlink()
        weights.write_bytes(os.urandom(WEIGHTS))
        digest = sha256_of(weights)
    reference = FileRef(f"{key}/model.safetensors", digest)
    return Checkpoint(key, fingerprint, reference, 3.0, 2e-4, 1.0, 10, 1000, 1.0, "fp32",
                      ((500, 4.0, 3.5), (1000, 3.5, 3.0)))  # fmt: skip
