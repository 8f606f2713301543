"""Check with X that it still shows the posts that it gave."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from prefect import task

from tasks.core.names import Handle
from tasks.core.settings import settings
from tasks.curation.corpus_dropping import bots_with, drop_corpora
from tasks.ingest.ledger import ScrapeBudget
from tasks.ingest.services import X_API
from tasks.ingest.x_comply import drop_gone
from tasks.ingest.x_scrape import open_budget, open_client
from tasks.orchestration.limits import ensure_limits, scraping_place
from tasks.orchestration.policies import RETRY
from tasks.registry.due_marks import mark_due
from tasks.scrape import run_with_budget, x_pace
from tasks.sources.x_api.client import XApiClient
from tasks.storage import storage_root


@dataclass(frozen=True)
class Complied:
    """What a check found.

    checked: posts that came from the X API; dropped: those that X does not show any more.
    corpora: files that held one of these and are deleted.
    due: names of the bots that are to be trained again.
    """

    handle: Handle
    checked: int
    dropped: int
    corpora: int = 0
    due: tuple[str, ...] = ()


@task(name="comply", task_run_name="comply @{handle}", **RETRY)
def comply_account(handle: Handle) -> Complied:
    """Drop what is gone of one account. Raises TermsNotAccepted, BudgetExceeded, SourceStopped."""
    ensure_limits(X_API)
    pace = x_pace(handle)
    client = open_client(settings(), pace)
    budget = open_budget(storage_root(), settings(), run_with_budget(), pace)
    with scraping_place(X_API):
        return comply(handle, client, budget)


def comply(handle: Handle, client: XApiClient, budget: ScrapeBudget) -> Complied:
    """Drop what X no longer shows: from the lake, and with it the corpora that hold one of it.

    The bots built on the account become due. Raises as `drop_gone` does.
    """
    storage, corpora = budget.storage, 0

    def leave_no_trace(gone: Collection[str]) -> None:
        nonlocal corpora
        for bot in bots_with(storage, handle):
            mark_due(storage, bot, f"posts of @{handle} are gone from X", budget.now())
        corpora += drop_corpora(storage, handle, gone)

    checked, dropped = drop_gone(handle, client, budget, leave_no_trace)
    due = bots_with(storage, handle) if dropped else []
    return Complied(handle, checked, dropped, corpora, tuple(bot.name for bot in due))
