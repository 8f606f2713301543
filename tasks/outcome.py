"""What became of a retrain, as a task and of an error."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from prefect import task

from tasks.core.errors import (
    BudgetExceeded,
    HuggingtweetsError,
    Interrupted,
    PermanentError,
    ProcessCrashed,
    SourceStopped,
    StorageUnusable,
    TermsNotAccepted,
    TransientError,
)
from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.operations.retrain_record import now, record
from tasks.orchestration.outages import server_error
from tasks.orchestration.policies import UNCACHED

log = logging.getLogger("huggingtweets")
# A full disk, a refused key: no bot's own fault, so none is parked for it.
_FAULTS_OF_ALL = (SourceStopped, StorageUnusable, TermsNotAccepted)


@task(name="record outcome", task_run_name="record @{outcome.bot}", **UNCACHED)
def record_outcome(outcome: Outcome, began: datetime, *, trained: bool = False) -> Outcome:
    """As `record`, and tried again where the storage does not answer."""
    return record(outcome, began, trained=trained)


def outcome_of_error(bot: Bot, error: Exception) -> Outcome:
    """What an error makes of a retrain: skipped where a budget is used up, interrupted, or failed.

    Logs it, too: our own errors in one line, others with their traceback.
    """
    if isinstance(error, BudgetExceeded):
        log.warning("%s", error)
        return Outcome(bot.name, Status.SKIPPED, str(error), now())
    if isinstance(error, Interrupted):
        log.warning("@%s: %s", bot, error)
        return Outcome(bot.name, Status.INTERRUPTED, f"@{bot}: {error}", now())
    if isinstance(error, HuggingtweetsError):
        log.error("%s", error)
        return Outcome(bot.name, Status.FAILED, str(error), now(), details=_details(error))
    log.error("@%s: unexpected error", bot, exc_info=error)
    reason = f"@{bot}: {type(error).__name__}: {error}; see the run's log"
    details = {"permanent": True, "site": server_error(error) is not None}
    return Outcome(bot.name, Status.FAILED, reason, now(), details=details)


def _details(error: HuggingtweetsError) -> dict[str, Any]:
    """What the registry needs to know of a failure."""
    named = error.next_attempt_at if isinstance(error, TransientError) else None
    return {
        "permanent": isinstance(error, PermanentError),
        "site": isinstance(error, _FAULTS_OF_ALL),
        "crashed": isinstance(error, ProcessCrashed),
        "next_attempt_at": named.isoformat() if named else None,
    }
