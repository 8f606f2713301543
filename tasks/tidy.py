"""Removes from the storage what nothing needs any more, as a night's last task."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task

from tasks.operations.tidying import Freed, tidy
from tasks.orchestration.policies import UNCACHED
from tasks.storage import storage_root


@task(name="tidy", task_run_name="tidy the storage", **UNCACHED)
def tidy_storage() -> Freed:
    """Remove what nothing needs; returns what was freed."""
    return tidy(storage_root(), datetime.now(UTC))
