"""What the lake holds, and what became of each bot."""

from __future__ import annotations

from datetime import datetime

from prefect import task

from tasks.errors import BadInput
from tasks.lake.due_marks import clear_due
from tasks.lake.opt_outs import refuse_opted_out
from tasks.lake.outcomes import save_outcome
from tasks.lake.posts import LakeState, state
from tasks.names import Bot, Handle
from tasks.policies import RETRY
from tasks.records import Outcome, Status
from tasks.storage import storage_root


@task(name="store", task_run_name="store @{handle}", **RETRY)
def stored_posts(handle: Handle) -> LakeState:
    """What is stored of an account. Raises OptedOut, and BadInput where nothing is stored."""
    refuse_opted_out(storage_root(), handle)
    found = state(storage_root(), handle)
    if found.rows == 0:
        raise BadInput(
            f"@{handle}: no posts are stored; import some with "
            f"`huggingtweets import FILE --handle {handle}` or name a --source"
        )
    return found


@task(name="record outcome", task_run_name="record @{outcome.bot}", **RETRY)
def record_outcome(outcome: Outcome, began: datetime) -> Outcome:
    """Keep the outcome where `huggingtweets status` finds it; `began` is when the retrain did."""
    storage = storage_root()
    save_outcome(storage, outcome)
    if outcome.status in (Status.RELEASED, Status.UNCHANGED, Status.HELD_BACK):
        clear_due(storage, Bot.parse(outcome.bot), began)
    return outcome
