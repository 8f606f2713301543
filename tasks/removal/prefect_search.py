"""Finds what the Prefect server keeps of an account; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    TaskRunFilter,
    TaskRunFilterId,
    TaskRunFilterName,
)
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun

from tasks.core.name_matching import is_of, is_titled
from tasks.core.names import Handle
from tasks.removal.prefect_rows import is_own, requested_names, table_without

Item = TypeVar("Item")
# The flow whose runs are named after one bot, and the flows that name bots in their parameters.
ONE_BOT_FLOW, MANY_BOT_FLOWS = (
    "retrain bot",
    ("retrain", "account", "backfill", "nightly", "comply", "sweep"),
)
PAGE = 200  # the server's limit
_IDS_A_REQUEST = 50


@dataclass(frozen=True)
class Mention:
    """A run of several bots that names the account.

    requested: whether it was started for the account.
    tasks, artifacts: those of the run that name the account.
    """

    run: FlowRun
    requested: bool
    tasks: tuple[TaskRun, ...]
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class Runs:
    """The runs that name an account.

    own: finished runs of its bots only; shared: finished runs of other bots too; busy: how many of
    its own are running, or are needed by a run that is.
    """

    own: tuple[FlowRun, ...]
    shared: tuple[Mention, ...]
    busy: int


def runs_of(client: SyncPrefectClient, handle: Handle) -> Runs:
    """All runs of ours that name an account."""
    of_one = FlowRunFilter(name=FlowRunFilterName(like_=handle.name))
    own = [
        run for run in _flow_runs(client, (ONE_BOT_FLOW,), of_one) if is_titled(handle, run.name)
    ]
    shared: list[FlowRun] = []
    for run in _flow_runs(client, MANY_BOT_FLOWS):
        (own if is_own(handle, run) else shared).append(run)
    needed = _needed(client, own)
    free = [run for run in own if _is_finished(run) and run.parent_task_run_id not in needed]
    over = [run for run in shared if _is_finished(run)]
    return Runs(tuple(free), tuple(_mentions(client, handle, over)), len(own) - len(free))


def tasks_of(client: SyncPrefectClient, run: FlowRun) -> list[TaskRun]:
    """The runs of tasks in a run."""
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    return everything(
        lambda offset: client.read_task_runs(flow_run_filter=of_run, limit=PAGE, offset=offset)
    )


def artifacts_of(client: SyncPrefectClient, runs: Sequence[FlowRun]) -> list[Artifact]:
    """The artifacts of some runs and of their tasks."""
    of_runs = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id for run in runs]))
    return everything(
        lambda offset: client.read_artifacts(artifact_filter=of_runs, limit=PAGE, offset=offset)
    )


def everything(page: Callable[[int], list[Item]]) -> list[Item]:
    """All items, page by page; `page` is called with the number of items read so far."""
    found: list[Item] = []
    while more := page(len(found)):
        found += more
    return found


def _flow_runs(
    client: SyncPrefectClient, flows: Sequence[str], wanted: FlowRunFilter | None = None
) -> list[FlowRun]:
    named = FlowFilter(name=FlowFilterName(any_=list(flows)))
    return everything(
        lambda offset: client.read_flow_runs(
            flow_filter=named, flow_run_filter=wanted, limit=PAGE, offset=offset
        )
    )


def _is_finished(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def _needed(client: SyncPrefectClient, runs: Sequence[FlowRun]) -> set[UUID]:
    """The task runs by which unfinished runs wait for these."""
    waiting: set[UUID] = set()
    for some in _in_groups([run.parent_task_run_id for run in runs if run.parent_task_run_id]):
        tasks = client.read_task_runs(task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=some)))
        ids = FlowRunFilterId(any_=[task.flow_run_id for task in tasks if task.flow_run_id])
        parents = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=ids))
        over = {parent.id for parent in parents if _is_finished(parent)}
        waiting |= {task.id for task in tasks if task.flow_run_id not in over}
    return waiting


def _mentions(
    client: SyncPrefectClient, handle: Handle, runs: Sequence[FlowRun]
) -> Iterator[Mention]:
    tasks = _tasks_named(client, handle)
    for some in _in_groups(runs):
        artifacts = [each for each in artifacts_of(client, some) if _is_named(handle, each)]
        for run in some:
            requested = any(is_of(handle, name) for name in requested_names(run))
            mine = tuple(task for task in tasks if task.flow_run_id == run.id)
            shown = tuple(each for each in artifacts if each.flow_run_id == run.id)
            if requested or mine or shown:
                yield Mention(run, requested, mine, shown)


def _is_named(handle: Handle, artifact: Artifact) -> bool:
    titled = is_titled(handle, artifact.description or "")
    return titled or table_without(handle, artifact) != artifact.data


def _tasks_named(client: SyncPrefectClient, handle: Handle) -> list[TaskRun]:
    many = FlowFilter(name=FlowFilterName(any_=list(MANY_BOT_FLOWS)))
    named = TaskRunFilter(name=TaskRunFilterName(like_=handle.name))
    found = everything(
        lambda offset: client.read_task_runs(
            flow_filter=many, task_run_filter=named, limit=PAGE, offset=offset
        )
    )
    return [task for task in found if is_titled(handle, task.name)]


def _in_groups(items: Sequence[Item]) -> Iterator[list[Item]]:
    for start in range(0, len(items), _IDS_A_REQUEST):
        yield list(items[start : start + _IDS_A_REQUEST])
