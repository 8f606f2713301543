"""Weights & Biases: what a bot was made from and how it went, as ids and digests, never posts.

Two runs for each training, as in the original: `@bot-preprocess` turns `tweets-bot` into
`dataset-bot`, and `@bot-train` turns that and the base into `bot`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.names import Bot
from tasks.records import Base, Checkpoint, Corpus, Evaluation, Spec, TrackedRun
from tasks.settings import Settings
from tasks.tracking.environment import own_folders, quiet_settings

if TYPE_CHECKING:
    import wandb

_log = logging.getLogger("huggingtweets")


def track_bot(
    bot: Bot,
    *,
    storage_folder: Path,
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    spec: Spec,
    settings: Settings,
) -> TrackedRun:
    """Record both runs; online with an API key, else (or when that fails) below `storage_folder`.

    Returns an empty TrackedRun where tracking is off or fails: it never raises.
    """
    if not settings.tracking:
        return TrackedRun()
    story = _Story(bot, corpus, base, checkpoint, evaluation, spec)
    for online in (True, False) if settings.wandb_api_key else (False,):
        # The one place that swallows: a bot is not lost for the sake of its diary.
        try:
            return _tracked(story, storage_folder, settings, online=online)
        except Exception as error:  # noqa: BLE001  (wandb raises whatever its threads meet)
            _log.warning(
                "%s: tracking %s failed (%s)%s",
                bot,
                "online" if online else "offline",
                _said(error, settings),
                "; trying offline" if online else ": the release goes on without it",
            )
    return TrackedRun()


def _tracked(story: _Story, folder: Path, settings: Settings, *, online: bool) -> TrackedRun:
    with own_folders(folder):
        with _run(story, "preprocess", story.corpus_config(), folder, settings, online) as run:
            _log_artifact(run, f"dataset-{story.bot}", "train-dataset", story.dataset())
        with _run(story, "train", story.train_config(), folder, settings, online) as run:
            _log_training(run, story)
            _log_artifact(run, str(story.bot), "finetuned-model", story.model())
    # Asked for its URL, an offline run warns that it has none. Its files lie one level below it.
    if online:
        return TrackedRun(url=run.url, id=run.id)
    return TrackedRun(folder=str(Path(run.dir).parent), id=run.id)


@contextmanager
def _run(
    story: _Story,
    job: str,
    config: dict[str, Any],
    folder: Path,
    settings: Settings,
    online: bool,
) -> Iterator[wandb.Run]:
    import wandb

    run = wandb.init(
        project=settings.wandb_project,
        entity=settings.wandb_entity,
        name=f"@{story.bot}-{job}",
        job_type=job,
        config=config,
        reinit="create_new",
        settings=quiet_settings(folder, settings.wandb_api_key if online else None),
    )
    try:
        yield run
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def _log_training(run: wandb.Run, story: _Story) -> None:
    import wandb

    for tokens, train, held_out in story.checkpoint.history:
        losses = {"train_loss": train, "held_out_loss": held_out}
        run.log({"tokens": tokens, **{k: v for k, v in losses.items() if v is not None}})
    rows = [[each.start, each.text] for each in story.evaluation.predictions]
    run.log({"predictions": wandb.Table(columns=["Input", "Prediction"], data=rows)})
    run.summary.update(story.figures())


def _log_artifact(run: wandb.Run, name: str, kind: str, facts: dict[str, Any]) -> None:
    """Log an artifact whose only file says what the thing is, by digests."""
    import wandb

    artifact = wandb.Artifact(name, type=kind, metadata=facts)
    with artifact.new_file("digests.json") as stream:
        json.dump(facts, stream, indent=2, sort_keys=True)
    run.log_artifact(artifact)


def _said(error: Exception, settings: Settings) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    key = settings.wandb_api_key
    return (lines[0].replace(key.get_secret_value(), "***") if key else lines[0])[:200]


@dataclass(frozen=True)
class _Story:
    """What is told of one bot: plain values, in which no post's text stands."""

    bot: Bot
    corpus: Corpus
    base: Base
    checkpoint: Checkpoint
    evaluation: Evaluation
    spec: Spec

    def corpus_config(self) -> dict[str, Any]:
        """The preprocessing's inputs: offline an artifact cannot be used, only named."""
        return {
            "raw_dataset": f"tweets-{self.bot}",
            "filter": self.corpus.filter,
            "sources": list(self.corpus.sources),
            "counts": {handle: asdict(counts) for handle, counts in self.corpus.counts.items()},
            "fingerprint": self.checkpoint.fingerprint,
        }

    def train_config(self) -> dict[str, Any]:
        """The training's inputs and its hyper-parameters."""
        return {
            "train_dataset": f"dataset-{self.bot}",
            "train_dataset_sha256": self.corpus.file.sha256,
            "pretrained_model": self.base.origin,
            "pretrained_model_revision": self.base.revision,
            "fingerprint": self.checkpoint.fingerprint,
            **asdict(self.spec),
            "learning_rate": self.checkpoint.learning_rate,
            "precision": self.checkpoint.precision,
        }

    def dataset(self) -> dict[str, Any]:
        """The corpus, by its digest."""
        corpus = self.corpus
        return {
            "sha256": corpus.file.sha256,
            "rows": corpus.file.rows,
            "characters": corpus.characters,
            "train": corpus.train,
            "held_out": corpus.held_out,
        }

    def model(self) -> dict[str, Any]:
        """The weights, by their digest."""
        return {
            "sha256": self.checkpoint.weights.sha256,
            "fingerprint": self.checkpoint.fingerprint,
            **self.figures(),
        }

    def figures(self) -> dict[str, Any]:
        """How it went: losses in nats a token, the repeated share, steps, tokens and seconds."""
        return {
            "base_loss": self.evaluation.base_loss,
            "bot_loss": self.evaluation.bot_loss,
            "repeated_share": self.evaluation.repeated_share,
            "steps": self.checkpoint.steps,
            "tokens_trained": self.checkpoint.tokens,
            "seconds": self.checkpoint.seconds,
        }
