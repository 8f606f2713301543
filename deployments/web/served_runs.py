"""A bot made by the workers of `serve`: a run of the deployment `account`, followed to its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from deployments.web.run_progress import progress_of, run_of_bot
from tasks.core import interruption
from tasks.core.errors import Interrupted, PermanentError
from tasks.core.names import Bot
from tasks.core.records import Outcome, Status
from tasks.registry.outcomes import load_outcome
from tasks.storage import storage_root

_INTERVAL = 2.0  # seconds between two looks at a run
_PATIENCE = 120.0  # seconds that workers have to end a run
_PAGE = 200  # log lines that the server gives at once
_log = logging.getLogger("huggingtweets")


def run_on_server(
    bot: Bot,
    services: Mapping[str, str],
    base: str,
    report: Callable[[dict[str, Any]], None],
) -> Outcome | None:
    """The outcome of a bot; None where the server has no deployment that makes it.

    services: by handle; a handle without one lives on what is stored. report: is given the
    progress as it changes.
    Raises Interrupted where it was cancelled, PermanentError where it has failed without outcome.
    """
    began = datetime.now(UTC)
    name, parameters = run_of(bot, services, base)
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound:
            return None
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        _log.info("asked the workers for it: run %s", run.name)
        final = _follow(client, bot, run.id, report)
    outcome = load_outcome(storage_root(), bot)
    if outcome is not None and datetime.fromisoformat(outcome.finished_at) >= began.replace(
        microsecond=0
    ):
        return outcome
    if final == "Cancelled":
        raise Interrupted("cancelled")
    raise PermanentError(
        f"@{bot}: the run {run.name} ended as {final}: its page in Prefect says why"
    )


def run_of(bot: Bot, services: Mapping[str, str], base: str) -> tuple[str, dict[str, Any]]:
    """The deployment and the parameters of a run that makes a bot."""
    options = {"base": base}
    kinds = {services.get(handle.name, "stored") for handle in bot.handles}
    if len(kinds) == 1:
        return "account/account", {"bot": bot.name, "source": kinds.pop(), "options": options}
    request = {"name": bot.name, "sources": dict(services)}
    return "retrain/retrain", {"bots": [request], "options": options}


def _follow(
    client: SyncPrefectClient, bot: Bot, run: UUID, report: Callable[[dict[str, Any]], None]
) -> str:
    """Log what a run and its subflows log, to its end; returns the name of its final state."""
    lines, asked_at, known = _Lines(client, run), 0.0, None
    while True:
        if interruption.stop_requested() and not asked_at:
            # Not forced: a run that no worker has taken yet then is cancelled at once.
            client.set_flow_run_state(run, Cancelling())
            asked_at = time.monotonic()
        state = client.read_flow_run(run).state
        for line in lines.new():
            _log.info("%s", line)
        progress = progress_of(client, run_of_bot(bot, parent=run))
        progress["run"] = state.name if state else None
        if progress != known:
            report(progress)
            known = progress
        if state is not None and state.is_final():
            return state.name or Status.FAILED.value
        if asked_at and time.monotonic() - asked_at > _PATIENCE:
            raise Interrupted(
                "cancelled, which no worker has confirmed yet: see its run in Prefect"
            )
        time.sleep(_INTERVAL)


class _Lines:
    """The log lines of a run and its subflows, each given once."""

    def __init__(self, client: SyncPrefectClient, run: UUID) -> None:
        self._client, self._run = client, run
        self._given: dict[UUID, int] = {}

    def new(self) -> Iterator[str]:
        parents = FlowRunFilterParentFlowRunId(any_=[self._run])
        subflows = self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(parent_flow_run_id=parents)
        )
        for run in (self._run, *(each.id for each in subflows)):
            yield from self._of(run)

    def _of(self, run: UUID) -> Iterator[str]:
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        while True:
            given = self._given.get(run, 0)
            found = self._client.read_logs(
                wanted, limit=_PAGE, offset=given, sort=LogSort.TIMESTAMP_ASC
            )
            self._given[run] = given + len(found)
            yield from (each.message for each in found if each.name == "huggingtweets")
            if len(found) < _PAGE:
                return
