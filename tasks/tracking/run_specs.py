"""The two W&B runs of one training: their configs, inputs, outputs and figures, without wandb.

As in the original: `@bot-preprocess` turns `tweets-bot` into `dataset-bot`, and `@bot-train` turns
that and the base into `bot`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks.core.names import Bot
from tasks.core.records import Base, Checkpoint, Corpus, Evaluation, Spec
from tasks.tracking.artifact_specs import (
    ArtifactSpec,
    Tables,
    artifact_name,
    figures_of,
    pretrained_model,
    raw_dataset,
    train_dataset,
)

PREPROCESS, TRAIN = "preprocess", "train"


@dataclass(frozen=True)
class Training:
    """Everything known of one training when it is tracked.

    gate: the record of the verdict on it, or None; only its figures are logged.
    model_url: where the model will be published, or None.
    """

    bot: Bot
    corpus: Corpus
    base: Base
    checkpoint: Checkpoint
    evaluation: Evaluation
    spec: Spec
    gate: Any = None
    model_url: str | None = None


@dataclass(frozen=True)
class RunSpec:
    """One run to log.

    job: `preprocess` or `train`; used, made: its input artifacts and its output.
    curves: rows for the charts, in order; predictions: (input, prediction).
    """

    job: str
    name: str
    config: Mapping[str, Any]
    used: tuple[ArtifactSpec, ...]
    made: ArtifactSpec
    summary: Mapping[str, Any]
    curves: tuple[Mapping[str, float], ...] = ()
    predictions: tuple[tuple[str, str], ...] = ()


def run_specs(training: Training, tables: Tables, *, with_texts: bool) -> tuple[RunSpec, RunSpec]:
    """The specs of both runs, the preprocessing first."""
    bot, corpus = training.bot.name, training.corpus
    raw = raw_dataset(bot, corpus, tables.raw, with_texts=with_texts)
    dataset = train_dataset(bot, corpus, tables.kept, with_texts=with_texts)
    return _preprocessing(training, raw, dataset), _training(training, dataset)


def _preprocessing(training: Training, raw: ArtifactSpec, dataset: ArtifactSpec) -> RunSpec:
    corpus = training.corpus
    config = {
        "filter": corpus.filter,
        "sources": list(corpus.sources),
        "inputs": [raw.config_entry()],
        "output": dataset.config_entry(),
    }
    summary = {
        "counts": {handle: asdict(counts) for handle, counts in corpus.counts.items()},
        "characters": corpus.characters,
        "train": corpus.train,
        "held_out": corpus.held_out,
    }
    name = f"@{training.bot}-{PREPROCESS}"
    return RunSpec(PREPROCESS, name, config, (raw,), dataset, summary)


def _training(training: Training, dataset: ArtifactSpec) -> RunSpec:
    checkpoint, base = training.checkpoint, pretrained_model(training.base)
    figures = _figures(training)
    model = _finetuned_model(training, figures)
    config = {
        **asdict(training.spec),
        "learning_rate": checkpoint.learning_rate,
        "precision": checkpoint.precision,
        "fingerprint": checkpoint.fingerprint,
        "inputs": [dataset.config_entry(), base.config_entry()],
        "output": model.config_entry(),
    }
    predictions = training.evaluation.predictions
    return RunSpec(
        TRAIN,
        f"@{training.bot}-{TRAIN}",
        config,
        (dataset, base),
        model,
        figures,
        _curves(checkpoint),
        tuple((each.start, each.text) for each in predictions),
    )


def _figures(training: Training) -> dict[str, Any]:
    checkpoint = training.checkpoint
    gate = figures_of(training.gate) if training.gate is not None else {}
    return {
        **figures_of(training.evaluation),
        **{f"gate.{name}": value for name, value in gate.items()},
        "steps": checkpoint.steps,
        "tokens_trained": checkpoint.tokens,
        "epochs_trained": checkpoint.epochs,
        "seconds": checkpoint.seconds,
    }


def _finetuned_model(training: Training, figures: Mapping[str, Any]) -> ArtifactSpec:
    checkpoint = training.checkpoint
    facts = {
        "sha256": checkpoint.weights.sha256, "fingerprint": checkpoint.fingerprint, **figures
    }  # fmt: skip
    name = artifact_name(training.bot.name)
    return ArtifactSpec(name, "finetuned-model", facts, reference=training.model_url)


def _curves(checkpoint: Checkpoint) -> tuple[dict[str, float], ...]:
    rows = []
    for tokens, train, held_out in checkpoint.history:
        row = {"tokens": tokens, "train_loss": train}
        rows.append(row if held_out is None else {**row, "held_out_loss": held_out})
    return tuple(rows)
