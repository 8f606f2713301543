"""Removes an account's records on the Prefect server: runs, their logs, artifacts and results.

Runs of the account's bots only are deleted. Runs with other bots lose what names the account:
parameters, rows of tables, task runs. The server cannot change a log line, a state's message or
an event; the receipt says where these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun
from prefect.exceptions import ObjectNotFound

from tasks.core.errors import NetworkTrouble
from tasks.core.name_matching import is_of, untitled
from tasks.core.names import Handle
from tasks.removal.inventory import Removal, bot_of
from tasks.removal.prefect_rows import name_without, parameters_without, table_without
from tasks.removal.prefect_search import PAGE, Mention, artifacts_of, everything, runs_of, tasks_of

_LISTED = 20  # runs listed by id


@dataclass(frozen=True)
class PrefectRecords:
    """The records on the server that Prefect's settings name.

    results: the folder of results, or None where it is not on this machine.
    """

    results: Path | None

    def find(self, handle: Handle) -> tuple[Removal, ...]:
        """Counts runs, and other runs that name the account. Raises NetworkTrouble."""
        with _client_for(handle) as client:
            runs = runs_of(client, handle)
        counts = {"runs in Prefect": runs.own, "mentions in Prefect's other runs": runs.shared}
        return tuple(Removal(key, len(found)) for key, found in counts.items() if found)

    def remove(self, handle: Handle) -> tuple[str, ...]:
        """Remove them; returns what is left. Raises NetworkTrouble."""
        with _client_for(handle) as client:
            runs = runs_of(client, handle)
            for run in runs.own:
                self._delete(client, handle, run)
            for mention in runs.shared:
                self._redact(client, handle, mention)
            _delete_limits(client, handle)
        return tuple(_left(handle, runs.busy, [mention.run for mention in runs.shared]))

    def _delete(self, client: SyncPrefectClient, handle: Handle, run: FlowRun) -> None:
        """Delete all of a run, itself last, since the rest is found by it after an interruption."""
        self._drop_results(handle, [*tasks_of(client, run), run])
        for artifact in artifacts_of(client, [run]):
            _delete_if_there(client.delete_artifact, artifact.id)
        if run.parent_task_run_id:
            _delete_if_there(client.delete_task_run, run.parent_task_run_id)
        _delete_if_there(client.delete_flow_run, run.id)

    def _redact(self, client: SyncPrefectClient, handle: Handle, mention: Mention) -> None:
        run = mention.run
        self._drop_results(
            handle, [*mention.tasks, run]
        )  # the run's own result names each of its bots
        for artifact in mention.artifacts:
            _prune(client, handle, artifact)
        for task in mention.tasks:
            _delete_if_there(client.delete_task_run, task.id)
        if mention.requested:
            name, parameters = name_without(handle, run.name), parameters_without(handle, run)
            client.update_flow_run(run.id, name=name, parameters=parameters)

    def _drop_results(self, handle: Handle, runs: Sequence[FlowRun | TaskRun]) -> None:
        if self.results is None:
            return
        folder = self.results.resolve()
        keys = [getattr(run.state.data, "storage_key", None) for run in runs if run.state]
        for path in ((folder / key).resolve() for key in keys if key):  # most are absolute
            # A run with two bots may have read the other bot's cached result.
            is_shared = bot_of(path) and not is_of(handle, bot_of(path))
            if path.is_relative_to(folder) and not is_shared:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class UnreachableServer:
    """A server that does not answer; its records of the account stay.

    url: its address.
    """

    url: str

    def find(self, handle: Handle) -> tuple[Removal, ...]:
        """Nothing can be found."""
        del handle
        return ()

    def remove(self, handle: Handle) -> tuple[str, ...]:
        """Returns what is left."""
        sentence = (
            f"no Prefect server answers at {self.url}: its records of @{handle} (runs, logs, "
            f"artifacts) stay: run `huggingtweets forget {handle} --yes` again once it does"
        )
        return (sentence,)


@contextmanager
def _client_for(handle: Handle) -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise NetworkTrouble(
            f"@{handle}: the Prefect server does not answer ({type(error).__name__}): "
            "run `huggingtweets forget` again once it does"
        ) from error


def _prune(client: SyncPrefectClient, handle: Handle, artifact: Artifact) -> None:
    """Redact a table, which may be of several bots; delete any other artifact, which is of one."""
    if artifact.type != "table":
        _delete_if_there(client.delete_artifact, artifact.id)
        return
    title = untitled(handle, artifact.description or "")
    change = ArtifactUpdate(data=table_without(handle, artifact), description=title)
    with suppress(ObjectNotFound):
        client.update_artifact(artifact.id, change)


def _delete_limits(client: SyncPrefectClient, handle: Handle) -> None:
    """Delete the concurrency limits named after bots of the account, unless one is held now."""
    limits = everything(lambda offset: client.read_global_concurrency_limits(PAGE, offset))
    for limit in limits:
        bot = limit.name.removeprefix("bot-")
        if bot != limit.name and is_of(handle, bot) and not limit.active_slots:
            _delete_if_there(client.delete_global_concurrency_limit_by_name, limit.name)


def _left(handle: Handle, busy: int, shared: Sequence[FlowRun]) -> Iterator[str]:
    if busy:
        yield (
            f"{busy} runs of @{handle} in Prefect are running, or another run waits for them: "
            "run `huggingtweets forget` again when they have ended"
        )
    if shared:
        ids = ", ".join(str(run.id) for run in shared[:_LISTED])
        yield (
            f"log lines of {len(shared)} runs with other bots may name @{handle}: delete the runs "
            f"with `prefect flow-run delete ID` ({ids}{' …' * (len(shared) > _LISTED)})"
        )
    yield (
        "Prefect's events name runs until they expire "
        "(PREFECT_SERVER_EVENTS_RETENTION_PERIOD, seven days by default)"
    )


def _delete_if_there(delete: Callable[[Any], object], name: object) -> None:
    with suppress(ObjectNotFound):  # deleted by an earlier or a concurrent call
        delete(name)
