"""Crashed runs that the Prefect server should have restarted, and has not.

An automation does it at once. Prefect on SQLite loses an event now and then, and with it the one
that the automation waits for. So `huggingtweets serve`, `nightly` and `backfill` search for crashed
runs as well. Searching twice, or at the same time, changes nothing.
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
# Tries of a run, a batch of bots perhaps. A bot that crashes its process is left out after three
# times, by a count of its own, so a batch survives several of them; beyond, the run is at fault.
TRIES = 10
# The automation restarts a crashed run at once; what is not restarted by then was missed.
MISSED_AFTER = timedelta(minutes=1)
# Older crashes were seen by somebody, or a later night has done the run's work.
TOO_OLD = timedelta(days=1)


def restart_crashed(client: SyncPrefectClient, now: datetime) -> list[str]:
    """Restart the crashed runs of our pools that the server has missed; returns their names."""
    if not any(each.enabled for each in client.read_automations_by_name(AUTOMATION)):
        return []
    found = [run for run in _crashed(client) if is_missed(run, now)]
    for run in found:
        client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=now))
    return [run.name for run in found]


def is_missed(run: FlowRun, now: datetime) -> bool:
    """Whether a run crashed some time ago, and has tries left."""
    if run.state is None or not run.state.is_crashed():
        return False
    # Without 0, as in the automation: what could not even begin waits for another one.
    return 0 < run.run_count < TRIES and MISSED_AFTER < now - run.state.timestamp < TOO_OLD


def _crashed(client: SyncPrefectClient) -> list[FlowRun]:
    crashed = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED]))
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=crashed),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=list(POOLS))),
        sort=FlowRunSort.END_TIME_DESC,
    )
