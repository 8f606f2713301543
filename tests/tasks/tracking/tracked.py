"""A made-up training, and how it is tracked in tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.core.names import Bot
from tasks.core.records import (
    Base,
    Checkpoint,
    Corpus,
    Counts,
    Evaluation,
    FileRef,
    Prediction,
    Spec,
    TrackedRun,
)
from tasks.core.settings import Settings
from tasks.tracking.artifact_specs import Tables
from tasks.tracking.bot_tracking import track_bot
from tasks.tracking.run_specs import Training
from tasks.tracking.service_outage import Outage
from tasks.tracking.wandb_environment import Timeouts
from tests.servers.wandb import Wandb

TEXT_OF_POST = "what only the post says"
OPERATORS = Timeouts()  # a server that is there answers on a busy machine as well
PROJECT = "team-of-the-tests/huggingtweets"


def training(name: str = "alice-bob", source: str = "table") -> Training:
    counts = {name: Counts(10, 7, {"retweet": 2, "short": 1}) for name in ("alice", "bob")}
    bot = Bot.parse(name)
    corpus = Corpus(
        bot, FileRef("c.parquet", "c" * 64, 14), "modern", counts, 900, 12, 2, (source,)
    )
    checkpoint = Checkpoint(
        "checkpoints/x", "f" * 64, FileRef("model.safetensors", "d" * 64), 3.0, 2e-4, 1.0, 10, 900,
        1.5, "fp32", ((100, 4.0, None), (200, 3.5, 3.1)),
    )  # fmt: skip
    evaluation = Evaluation(4.0, 3.0, 50, (Prediction("I like", "I like tea", repeats=False),))
    base = Base("openai-community/gpt2", "/b", "607a", "openai-community/gpt2", "mit")
    return Training(bot, corpus, base, checkpoint, evaluation, Spec())


def tables(source: str = "table") -> Tables:
    known = {"handle": ["alice", "bob"], "id": ["1", "2"], "text": [TEXT_OF_POST, TEXT_OF_POST]}
    raw = {**known, "source": [source, source]}
    return Tables(pa.table(raw), pa.table({**known, "split": ["train", "held_out"]}))


def track(
    folder: Path,
    known: Training | None = None,
    *,
    timeouts: Timeouts = OPERATORS,
    outage: Outage | None = None,
    source: str = "table",
    **settings: Any,
) -> TrackedRun:
    return track_bot(
        known or training(source=source),
        folder=folder,
        read_tables=lambda: tables(source),
        settings=Settings(**settings),
        timeouts=timeouts,
        outage=outage or Outage(),
    )


def online(server: Wandb, **more: Any) -> dict[str, Any]:
    """The settings with which runs go to this server."""
    return {"wandb_url": server.url, "wandb_api_key": server.key, **more}


def broken() -> Training:
    """A training that cannot be logged: its facts are not JSON, which fails only midway."""
    known = training()
    return replace(known, corpus=replace(known.corpus, characters={1, 2}))
