"""How far a bot's run is: its steps and its training, as Prefect's server has them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import State, TaskRun
from prefect.client.schemas.sorting import ArtifactSort
from prefect.settings import get_current_settings

from tasks.core.names import Bot
from tasks.orchestration.progress import progress_in

CURATE, TRAIN, MEASURE, PUBLISH = "curate", "train", "measure", "publish"
# The steps by the tasks that they are, as the tasks' runs are named.
_STEPS = {
    "curate": CURATE,
    "finetune": TRAIN,
    "warm start": TRAIN,
    "evaluate": MEASURE,
    "track": PUBLISH,
    "publish": PUBLISH,
    "push": PUBLISH,
}
_INTERVAL = 1.0  # seconds between two looks
_log = logging.getLogger("huggingtweets")


def run_of_bot(
    bot: Bot, *, parent: UUID | None = None, began: datetime | None = None
) -> FlowRunFilter:
    """The run in which a bot is retrained: below a parent, or one that started not before."""
    return FlowRunFilter(
        name=FlowRunFilterName(any_=[f"@{bot}"]),
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent]) if parent else None,
        start_time=FlowRunFilterStartTime(after_=began) if began else None,
    )


def progress_of(client: SyncPrefectClient, run: FlowRunFilter) -> dict[str, Any]:
    """`steps` that have begun, each with its state and seconds; `training`, a `Progress`, or None.

    Raises httpx.HTTPError.
    """
    tasks = client.read_task_runs(flow_run_filter=run)
    found = client.read_artifacts(
        flow_run_filter=run,
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])),
        sort=ArtifactSort.CREATED_DESC,  # after a warm start that was held back there are two
        limit=1,
    )
    training = progress_in(found[0]) if found else None
    return {"steps": steps_of(tasks), "training": asdict(training) if training else None}


def steps_of(tasks: Sequence[TaskRun]) -> list[dict[str, Any]]:
    """The steps that have begun, in their order: running, done or failed, for so many seconds."""
    by_step: dict[str, list[TaskRun]] = {}
    for task in tasks:
        step = _STEPS.get(task.name.partition(" @")[0])
        if step is not None and task.start_time is not None:
            by_step.setdefault(step, []).append(task)
    return [
        {
            "step": step,
            "state": _state_of([each.state for each in by_step[step]]),
            "seconds": sum(each.estimated_run_time.total_seconds() for each in by_step[step]),
        }
        for step in dict.fromkeys(_STEPS.values())
        if step in by_step
    ]


def _state_of(tasks: Sequence[State[Any] | None]) -> str:
    if not all(each is not None and each.is_final() for each in tasks):
        return "running"
    return "done" if all(each is not None and each.is_completed() for each in tasks) else "failed"


@contextmanager
def progress_followed(
    run: FlowRunFilter, report: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    """Within the block, in which this process runs a flow, report its progress as it changes."""
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(run, report, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(
    run: FlowRunFilter, report: Callable[[dict[str, Any]], None], ended: threading.Event
) -> None:
    while not _has_server():
        if ended.wait(_INTERVAL):
            return
    known: dict[str, Any] = {}
    with get_client(sync_client=True) as client:
        is_last = False
        while not is_last:
            is_last = ended.wait(_INTERVAL)
            try:
                found = progress_of(client, run)
            except httpx.HTTPError as error:  # the flow waits for the server, or reports it
                _log.debug("no progress is shown: %r", error)
                continue
            if found != known:
                report(found)
                known = found


def _has_server() -> bool:
    """Whether one is configured, or started for the flow: a client would start another."""
    return get_current_settings().api.url is not None
