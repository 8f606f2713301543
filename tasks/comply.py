"""Check with X that it still shows the posts that it gave."""

from __future__ import annotations

from prefect import task

from tasks.core.names import Handle
from tasks.core.settings import settings
from tasks.ingest.x_comply import Complied, comply
from tasks.ingest.x_scrape import open_client, open_purse
from tasks.orchestration.limits import make_limit, scraping
from tasks.orchestration.policies import RETRY
from tasks.scrape import X_API, run_with_budget, x_pace
from tasks.storage import storage_root


@task(name="comply", task_run_name="comply @{handle}", **RETRY)
def comply_account(handle: Handle) -> Complied:
    """Drop what is gone of one account. Raises TermsNotAccepted, BudgetExceeded, SourceStopped."""
    make_limit(X_API)
    pace = x_pace(handle)
    client = open_client(settings(), pace)
    purse = open_purse(storage_root(), settings(), run_with_budget(), pace)
    with scraping(X_API):
        return comply(handle, client, purse)
