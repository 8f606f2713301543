"""Try training settings on the stored posts of several bots, and rank them."""

from __future__ import annotations

import logging
from statistics import mean
from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.bot import inputs_of
from flows.requests import BotName, RetrainOptions
from tasks.artifacts import show_table
from tasks.core.names import Bot
from tasks.core.records import Spec
from tasks.curate import curate
from tasks.sweep import Trial, keep_trials, try_spec
from tasks.track import track_sweep
from tasks.training.sweep_space import Space, changes

log = logging.getLogger("huggingtweets")


@flow(name="sweep", persist_result=True, result_serializer="json")
def sweep(
    bots: Annotated[list[BotName], Field(min_length=1)],
    space: Space,
    options: RetrainOptions | None = None,
) -> Any:
    """Train every bot with every setting of a space, and rank the settings by held-out loss.

    Args:
        bots: The bots, whose posts are stored already.
        space: The settings to try.
        options: Base, filter and languages, and the settings that are not swept.

    Returns:
        A row for each setting, the best first.
    """
    options = options or RetrainOptions()
    specs = space.specs(options.training)
    inputs = [inputs_of(Bot.parse(bot), options) for bot in bots]
    corpora = [curate(each.bot, each.filter, each.languages) for each in inputs]

    trials: list[Trial] = []
    for spec in specs:
        for each, corpus in zip(inputs, corpora, strict=True):
            trials.append(try_spec(each.bot, corpus, each.base, spec))
            log.info("trial %d of %d", len(trials), len(specs) * len(corpora))
    rows = ranked(trials, options.training)
    show_table(rows, f"{len(specs)} settings on {', '.join(f'@{each.bot}' for each in inputs)}")
    name = str(flow_run.name)
    keep_trials(name, rows)
    track_sweep(name, [each.bot.name for each in inputs], rows)
    return rows


def ranked(trials: list[Trial], common: Spec) -> list[dict[str, Any]]:
    """A row for each spec: in what it differs, the loss of each bot, their mean; best first."""
    specs = list(dict.fromkeys(trial.spec for trial in trials))
    swept = sorted({name for spec in specs for name in changes(spec, common)})
    rows = [
        {name: getattr(spec, name) for name in swept}
        | _figures([trial for trial in trials if trial.spec == spec])
        for spec in specs
    ]
    return sorted(rows, key=lambda row: float(row["held-out loss"]))


def _figures(trials: list[Trial]) -> dict[str, Any]:
    return {
        **{f"@{trial.bot}": trial.held_out_loss for trial in trials},
        "held-out loss": mean(trial.held_out_loss for trial in trials),
        "minus base": mean(trial.held_out_loss - trial.base_loss for trial in trials),
        "epochs": mean(trial.epochs for trial in trials),
        "seconds": mean(trial.seconds for trial in trials),
    }
