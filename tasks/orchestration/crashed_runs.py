"""Crashed runs that the Prefect server should have tried again, and has not.

An automation does it at once. Prefect on SQLite loses an event now and then, and with it the one
that the automation waits for, so whatever runs anyway looks after them too: `huggingtweets serve`,
`nightly` and `backfill`. Looking twice, or both at once, changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry

# The automation's name on the server. An operator who switches it off switches this off as well.
AUTOMATION = "huggingtweets: try crashed runs again"
POOLS = ("cpu", "train")
# Of a run, a batch of bots perhaps. A bot that takes its process down is left out after three
# times, by a count of its own, so a batch survives several of them; what is over is broken itself.
TRIES = 10
# The automation starts a crashed run again at once; where it has not by then, we do.
FORGOTTEN = timedelta(minutes=1)
# What crashed before is history: somebody has seen it, or a later night has done its work.
HISTORY = timedelta(days=1)


def take_up_crashed(client: SyncPrefectClient, now: datetime) -> list[str]:
    """Start the crashed runs of our pools again that were forgotten; returns their names."""
    if not any(each.enabled for each in client.read_automations_by_name(AUTOMATION)):
        return []
    found = [run for run in _crashed(client) if is_forgotten(run, now)]
    for run in found:
        client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=now))
    return [run.name for run in found]


def is_forgotten(run: FlowRun, now: datetime) -> bool:
    """Whether a run crashed some time ago, and has tries left."""
    if run.state is None or not run.state.is_crashed():
        return False
    # Without 0, as in the automation: what could not even begin waits for another one.
    return 0 < run.run_count < TRIES and FORGOTTEN < now - run.state.timestamp < HISTORY


def _crashed(client: SyncPrefectClient) -> list[FlowRun]:
    crashed = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED]))
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=crashed),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=list(POOLS))),
        sort=FlowRunSort.END_TIME_DESC,
    )
