"""Check with the services that posts came from whether they still show them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import task

from tasks.core.names import Handle
from tasks.core.settings import settings
from tasks.curation.corpus_dropping import bots_with, drop_corpora
from tasks.ingest.community_comply import drop_unserved
from tasks.ingest.community_scrape import open_community_archive
from tasks.ingest.services import COMMUNITY_ARCHIVE, X_API
from tasks.ingest.x_comply import drop_gone
from tasks.ingest.x_scrape import open_budget, open_client
from tasks.operations.kept_losses import drop_losses
from tasks.orchestration.limits import ensure_limits, scraping_place
from tasks.orchestration.policies import RETRY
from tasks.registry.due_marks import mark_due
from tasks.scrape import run_with_budget, service_pace
from tasks.storage import Storage, storage_root

_SHOWN = {COMMUNITY_ARCHIVE: "the Community Archive", X_API: "X"}
# Called with the ids of posts that are gone, before the lake drops them.
Before = Callable[[Collection[str]], object]
# Drops what is gone of an account; returns how many posts were checked and dropped.
Drop = Callable[[Before], tuple[int, int]]


@dataclass(frozen=True)
class Complied:
    """What a check found.

    checked: posts that came from the service; dropped: those that it does not show any more.
    corpora: files that held one of these and are deleted.
    due: names of the bots that are to be trained again.
    source: the service.
    """

    handle: Handle
    checked: int
    dropped: int
    corpora: int = 0
    due: tuple[str, ...] = ()
    source: str = X_API


@task(name="comply", task_run_name="comply @{handle}", **RETRY)
def comply_account(handle: Handle, service: str = X_API) -> Complied:
    """Drop what is gone of one account from a service.

    Raises TermsNotAccepted, TokenRefused, BudgetExceeded, SourceStopped or a transient error.
    """
    ensure_limits(service)
    drop = (_from_x if service == X_API else _from_community)(handle)
    with scraping_place(service):
        return comply(storage_root(), handle, service, drop)


def _from_x(handle: Handle) -> Drop:
    pace = service_pace(handle, X_API)
    client = open_client(settings(), pace)
    budget = open_budget(storage_root(), settings(), run_with_budget(), pace)
    return lambda before: drop_gone(handle, client, budget, before)


def _from_community(handle: Handle) -> Drop:
    client = open_community_archive(settings(), service_pace(handle, COMMUNITY_ARCHIVE))

    def drop(before: Before) -> tuple[int, int]:
        try:
            return drop_unserved(handle, client, storage_root(), before)
        finally:
            client.close()

    return drop


def comply(storage: Storage, handle: Handle, service: str, drop: Drop) -> Complied:
    """Drop what a service no longer shows: from the lake, and with it the corpora that hold it.

    The bots built on the account become due. Raises as `drop` does.
    """
    corpora = 0

    def leave_no_trace(gone: Collection[str]) -> None:
        nonlocal corpora
        for bot in bots_with(storage, handle):
            reason = f"posts of @{handle} are gone from {_SHOWN[service]}"
            mark_due(storage, bot, reason, datetime.now(UTC))
        corpora += drop_corpora(storage, handle, gone)
        drop_losses(storage, handle)

    checked, dropped = drop(leave_no_trace)
    due = bots_with(storage, handle) if dropped else []
    names = tuple(bot.name for bot in due)
    return Complied(handle, checked, dropped, corpora, names, service)
