"""What a night is to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.events import emit_event

from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.core.settings import settings
from tasks.ingest.x_scrape import expected_posts
from tasks.lake.posts import rows_stored
from tasks.orchestration.policies import UNCACHED
from tasks.outcome import now
from tasks.registry import nights
from tasks.registry.due import Cost, Due, NightBudget, Selection, by_urgency, due, within
from tasks.registry.due_marks import due_marks
from tasks.registry.entries import Entry, load_registry
from tasks.registry.outcomes import load_outcome
from tasks.registry.state import BotState, load_states
from tasks.scrape import SERVICES, X_API
from tasks.storage import Storage, storage_root
from tasks.storage.opt_outs import opted_out

EVENT = "huggingtweets.night.finished"


@task(name="select due bots", **UNCACHED)
def select_due(registry: str, budget: NightBudget) -> Selection:
    """The bots to retrain now, the most urgent first. Raises BadInput, StorageUnusable."""
    return select(storage_root(), load_registry(Path(registry)), budget, datetime.now(UTC))


def select(
    storage: Storage, entries: tuple[Entry, ...], budget: NightBudget, at: datetime
) -> Selection:
    """The bots that are due, as many as the budget bears; none whose handle has opted out."""
    states, marks, out = load_states(storage), due_marks(storage), set(opted_out(storage))
    found: list[Due] = []
    for entry in entries:
        if out.intersection(handle.name for handle in entry.bot.handles):
            continue
        if error := states.damaged.get(entry.bot.name):
            found.append(Due(entry, str(error), 0.0))  # its own run fails for it
            continue
        state = states.values.get(entry.bot.name, BotState())
        mark = marks.get(entry.bot.name)
        each = due(
            entry,
            state,
            at,
            mark=mark.reason if mark else None,
            new_posts=_new_posts(storage, entry, state),
            enough=settings().due_posts,
        )
        if each is not None:
            found.append(each)
    ordered = by_urgency(found)
    costs = [_cost(storage, each.entry, states.values.get(each.entry.bot.name)) for each in ordered]
    return within(ordered, costs, budget)


def _new_posts(storage: Storage, entry: Entry, state: BotState) -> int:
    """Posts imported since the last success; those of a service come only with a retrain."""
    if state.last_success is None or set(entry.sources.values()) & set(SERVICES):
        return 0
    return sum(rows_stored(storage, handle) for handle in entry.bot.handles) - state.posts


def _cost(storage: Storage, entry: Entry, state: BotState | None) -> Cost:
    paid = [handle for handle in entry.bot.handles if entry.sources.get(handle.name) == X_API]
    posts = sum(expected_posts(storage, handle) for handle in paid)
    seconds = state.seconds if state and state.seconds else Cost.seconds
    return Cost(posts, posts * settings().x_price_post, seconds)


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


def summary_of(night: str, plan: dict[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What came of a night: of each bot, and of each status how many."""
    return {
        "night": night,
        "began": plan["began"],
        "ended": datetime.now(UTC).isoformat(),
        "counts": count_statuses(outcomes),
        "bots": [
            {"bot": each.bot, "outcome": each.status.value, "reason": each.reason}
            for each in outcomes
        ],
        "left": [{"bot": each["bot"], "why": each["why"]} for each in plan["left"]],
    }


def count_statuses(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many bots have each status."""
    return dict(Counter(outcome.status.value for outcome in outcomes))


def counts_text(summary: dict[str, Any]) -> str:
    """The counts of a night's summary in words."""
    counts = summary["counts"].items()
    return ", ".join(f"{number} {status}" for status, number in counts) or "none was due"
