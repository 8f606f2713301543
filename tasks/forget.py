"""Remove an account from everything that was made of it."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task

from tasks.forget_account import Plan, Receipt, forget_account, plan_removal
from tasks.names import Handle
from tasks.policies import RETRY
from tasks.settings import settings
from tasks.storage import storage_root


@task(name="plan removal", task_run_name="what is kept of @{handle}", **RETRY)
def plan_forgetting(handle: Handle) -> Plan:
    """What would be removed; nothing is."""
    return plan_removal(storage_root(), handle, settings())


@task(name="forget", task_run_name="forget @{handle}", **RETRY)
def forget_everywhere(handle: Handle) -> Receipt:
    """Remove it all, note the opt-out, and leave a receipt."""
    return forget_account(storage_root(), handle, settings(), datetime.now(UTC))
