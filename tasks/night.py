"""What a night set out to do and what came of it, kept, shown and told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect import task
from prefect.events import emit_event

from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.orchestration.policies import ANEW
from tasks.registry import nights
from tasks.registry.outcomes import load_outcome
from tasks.storage import storage_root

log = logging.getLogger("huggingtweets")
EVENT = "huggingtweets.night.finished"


@task(name="plan of the night", task_run_name="plan of {night}", **ANEW)
def planned(night: str) -> dict[str, Any] | None:
    """The night's plan, if it was begun before."""
    return nights.load_plan(storage_root(), night)


@task(name="keep plan", task_run_name="keep the plan of {night}", **ANEW)
def keep_plan(night: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Keep what the night sets out to do, for whoever starts it again."""
    nights.save_plan(storage_root(), night, plan)
    return plan


@task(name="drop plan", task_run_name="drop the plan of {night}", **ANEW)
def drop_plan(night: str) -> None:
    """Delete a plan that has been carried out: started again, another one is made."""
    nights.drop_plan(storage_root(), night)


@task(name="summary of the night", task_run_name="summary of {night}", **ANEW)
def summarised(night: str) -> dict[str, Any] | None:
    """The night's summary, if it has ended before."""
    return nights.load_summary(storage_root(), night)


@task(name="keep summary", task_run_name="keep the summary of {night}", **ANEW)
def keep_summary(night: str, summary: dict[str, Any]) -> None:
    """Keep what came of the night, and tell it to whoever listens."""
    nights.save_summary(storage_root(), night, summary)
    emit_event(
        event=EVENT,
        resource={"prefect.resource.id": f"huggingtweets.night.{night}"},
        payload={"night": night, "counts": summary["counts"]},
    )


@task(name="last outcomes", **ANEW)
def last_ends(names: Sequence[str]) -> dict[str, str]:
    """When each bot's last outcome was, by name; bots without one are left out."""
    storage = storage_root()
    found = {name: load_outcome(storage, Bot.parse(name)) for name in names}
    return {name: outcome.finished_at for name, outcome in found.items() if outcome}


@task(name="collect outcomes", **ANEW)
def collect(names: Sequence[str], before: dict[str, str], trouble: dict[str, str]) -> list[Outcome]:
    """The outcome of each bot that is not the one of before; else it failed, as `trouble` says.

    Times are compared for being different only: a clock may have been set in between.
    """
    storage = storage_root()
    found = []
    for name in names:
        outcome = load_outcome(storage, Bot.parse(name))
        if outcome is None or outcome.finished_at == before.get(name):
            why = trouble.get(name, "its run ended without an outcome").removeprefix(f"@{name}: ")
            now = datetime.now(UTC).isoformat(timespec="seconds")
            outcome = Outcome(name, Status.FAILED, f"@{name}: {why}", now)
        found.append(outcome)
    return found


def counted(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many bots came to each outcome."""
    return dict(Counter(outcome.status.value for outcome in outcomes))
