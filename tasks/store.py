"""What the lake holds, and what became of each bot."""

from __future__ import annotations

from prefect import task

from tasks.errors import BadInput
from tasks.lake.outcomes import save_outcome
from tasks.lake.posts import LakeState, state
from tasks.names import Handle
from tasks.policies import RETRY
from tasks.records import Outcome
from tasks.storage import storage_root


@task(name="store", task_run_name="store @{handle}", **RETRY)
def stored_posts(handle: Handle) -> LakeState:
    """What is stored of an account. Raises BadInput where that is nothing."""
    found = state(storage_root(), handle)
    if found.rows == 0:
        raise BadInput(
            f"@{handle}: no posts are stored; import some with "
            f"`huggingtweets import FILE --handle {handle}` or name a --source"
        )
    return found


@task(name="record outcome", task_run_name="record @{outcome.bot}", **RETRY)
def record_outcome(outcome: Outcome) -> Outcome:
    """Keep the outcome where `huggingtweets status` finds it."""
    save_outcome(storage_root(), outcome)
    return outcome
