"""Which bots are due, what a night set out to do and what came of it, kept, shown and told."""

from __future__ import annotations

import logging
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
from tasks.orchestration.policies import ANEW
from tasks.registry import nights
from tasks.registry.due import Cost, Due, NightBudget, Selection, by_urgency, due, within
from tasks.registry.due_marks import due_marks
from tasks.registry.entries import Entry, load_registry
from tasks.registry.outcomes import load_outcome
from tasks.registry.state import BotState, load_states
from tasks.scrape import SERVICES, X_API
from tasks.storage import Storage, storage_root
from tasks.storage.opt_outs import opted_out

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


@task(name="select due bots", **ANEW)
def select_due(registry: str, budget: NightBudget) -> Selection:
    """The bots to retrain now, the most urgent first. Raises BadInput, StorageUnusable."""
    return select(storage_root(), load_registry(Path(registry)), budget, datetime.now(UTC))


def select(
    storage: Storage, entries: tuple[Entry, ...], budget: NightBudget, now: datetime
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
            now,
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
