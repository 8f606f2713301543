"""What a night is to do, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.events import emit_event

from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.operations.night_plan import select
from tasks.operations.retrain_record import now
from tasks.orchestration.policies import UNCACHED
from tasks.registry import nights
from tasks.registry.due import NightBudget, Selection
from tasks.registry.entries import load_registry
from tasks.registry.outcomes import load_outcome
from tasks.storage import storage_root

EVENT = "huggingtweets.night.finished"


@task(name="select due bots", **UNCACHED)
def select_due(registry: str, budget: NightBudget) -> Selection:
    """The bots to retrain now, the most urgent first. Raises BadInput, StorageUnusable."""
    return select(storage_root(), load_registry(Path(registry)), budget, datetime.now(UTC))


@task(name="plan of the night", task_run_name="plan of {night}", **UNCACHED)
def load_plan(night: str) -> dict[str, Any] | None:
    """The night's plan, or None where the night has not begun."""
    return nights.load_plan(storage_root(), night)


@task(name="keep plan", task_run_name="keep the plan of {night}", **UNCACHED)
def save_plan(night: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Save what the night is to do, for when it is started again."""
    nights.save_plan(storage_root(), night, plan)
    return plan


@task(name="drop plan", task_run_name="drop the plan of {night}", **UNCACHED)
def delete_plan(night: str) -> None:
    """Delete a plan that has been carried out: started again, another one is made."""
    nights.drop_plan(storage_root(), night)


@task(name="summary of the night", task_run_name="summary of {night}", **UNCACHED)
def load_summary(night: str) -> dict[str, Any] | None:
    """The night's summary, or None where the night has not ended."""
    return nights.load_summary(storage_root(), night)


@task(name="keep summary", task_run_name="keep the summary of {night}", **UNCACHED)
def save_summary(night: str, summary: dict[str, Any]) -> None:
    """Save what came of the night, and emit it as an event for Prefect's automations."""
    nights.save_summary(storage_root(), night, summary)
    emit_event(
        event=EVENT,
        resource={"prefect.resource.id": f"huggingtweets.night.{night}"},
        payload={"night": night, "counts": summary["counts"]},
    )


@task(name="last outcomes", **UNCACHED)
def last_outcome_times(names: Sequence[str]) -> dict[str, str]:
    """When each bot's last outcome was, by name; bots without one are left out."""
    storage = storage_root()
    found = {name: load_outcome(storage, Bot.parse(name)) for name in names}
    return {name: outcome.finished_at for name, outcome in found.items() if outcome}


@task(name="collect outcomes", **UNCACHED)
def collect_outcomes(
    names: Sequence[str], before: dict[str, str], failures: dict[str, str]
) -> list[Outcome]:
    """The outcome of each bot since `before`; a bot without one has failed, as `failures` says.

    before: by bot, when the outcome before was. Times are compared for being different only: a
        clock may have been set in between.
    """
    storage = storage_root()
    found = []
    for name in names:
        outcome = load_outcome(storage, Bot.parse(name))
        if outcome is None or outcome.finished_at == before.get(name):
            why = failures.get(name, "its run ended without an outcome").removeprefix(f"@{name}: ")
            outcome = Outcome(name, Status.FAILED, f"@{name}: {why}", now())
        found.append(outcome)
    return found
