"""Removes what the Prefect server keeps of an account: runs, their logs, artifacts and results.

Runs of the account's bots alone are deleted. From runs that other bots have a part in, what names
the account is taken out: parameters, rows of tables, runs of tasks. The server gives no way to
change a line of a log, the message of a state or an event; where these are is told.
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
from tasks.removal.prefect_rows import asked_without, name_without, table_without
from tasks.removal.prefect_search import PAGE, Mention, artifacts_of, everything, runs_of, tasks_of

_NAMED = 20  # so many runs are named by their ids


@dataclass(frozen=True)
class PrefectServer:
    """The server that the settings of Prefect name.

    results: the folder in which results are kept, where this machine has it, or None.
    """

    results: Path | None

    def look(self, handle: Handle) -> tuple[Removal, ...]:
        """How many runs, and mentions in other runs, would go. Raises NetworkTrouble."""
        with _asked(handle) as client:
            runs = runs_of(client, handle)
        counts = {"runs in Prefect": runs.own, "mentions in Prefect's other runs": runs.shared}
        return tuple(Removal(key, len(found)) for key, found in counts.items() if found)

    def clear(self, handle: Handle) -> tuple[str, ...]:
        """Remove them; says what is left. Raises NetworkTrouble."""
        with _asked(handle) as client:
            runs = runs_of(client, handle)
            for run in runs.own:
                self._delete(client, handle, run)
            for mention in runs.shared:
                self._take_out(client, handle, mention)
            _delete_places(client, handle)
        return tuple(_left(handle, runs.busy, [mention.run for mention in runs.shared]))

    def _delete(self, client: SyncPrefectClient, handle: Handle, run: FlowRun) -> None:
        """All of a run, itself last: by it the rest is found, should this be interrupted."""
        self._drop_results(handle, [*tasks_of(client, run), run])
        for artifact in artifacts_of(client, [run]):
            _gone(client.delete_artifact, artifact.id)
        if run.parent_task_run_id:
            _gone(client.delete_task_run, run.parent_task_run_id)
        _gone(client.delete_flow_run, run.id)

    def _take_out(self, client: SyncPrefectClient, handle: Handle, mention: Mention) -> None:
        run = mention.run
        self._drop_results(handle, [*mention.tasks, run])  # its own tells of each of its bots
        for artifact in mention.artifacts:
            _prune(client, handle, artifact)
        for task in mention.tasks:
            _gone(client.delete_task_run, task.id)
        if mention.asked:
            name, parameters = name_without(handle, run.name), asked_without(handle, run)
            client.update_flow_run(run.id, name=name, parameters=parameters)

    def _drop_results(self, handle: Handle, runs: Sequence[FlowRun | TaskRun]) -> None:
        if self.results is None:
            return
        folder = self.results.resolve()
        keys = [getattr(run.state.data, "storage_key", None) for run in runs if run.state]
        for path in ((folder / key).resolve() for key in keys if key):  # most are absolute
            # What a run of two found in the cache is also of the other's own.
            is_shared = bot_of(path) and not is_of(handle, bot_of(path))
            if path.is_relative_to(folder) and not is_shared:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class SilentServer:
    """A server that does not answer; what it keeps of the account stays.

    url: where it was asked for.
    """

    url: str

    def look(self, handle: Handle) -> tuple[Removal, ...]:
        """Nothing can be seen."""
        del handle
        return ()

    def clear(self, handle: Handle) -> tuple[str, ...]:
        """Says what is left."""
        sentence = (
            f"no Prefect server answers at {self.url}: what it keeps of @{handle} stays (runs, "
            f"logs, artifacts): `huggingtweets forget {handle} --yes` removes it once it does"
        )
        return (sentence,)


@contextmanager
def _asked(handle: Handle) -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise NetworkTrouble(
            f"@{handle}: the Prefect server does not answer ({type(error).__name__}): "
            "forget the account again when it does"
        ) from error


def _prune(client: SyncPrefectClient, handle: Handle, artifact: Artifact) -> None:
    """A table may be of several bots; all else is of the one that its title names."""
    if artifact.type != "table":
        _gone(client.delete_artifact, artifact.id)
        return
    title = untitled(handle, artifact.description or "")
    change = ArtifactUpdate(data=table_without(handle, artifact), description=title)
    with suppress(ObjectNotFound):
        client.update_artifact(artifact.id, change)


def _delete_places(client: SyncPrefectClient, handle: Handle) -> None:
    """The places that bots of the account hold while they are trained; one held now stays."""
    places = everything(lambda offset: client.read_global_concurrency_limits(PAGE, offset))
    for place in places:
        bot = place.name.removeprefix("bot-")
        if bot != place.name and is_of(handle, bot) and not place.active_slots:
            _gone(client.delete_global_concurrency_limit_by_name, place.name)


def _left(handle: Handle, busy: int, shared: Sequence[FlowRun]) -> Iterator[str]:
    if busy:
        yield (
            f"{busy} runs of @{handle} in Prefect are under way, or another waits for them: "
            "forget the account again when they have ended"
        )
    if shared:
        ids = ", ".join(str(run.id) for run in shared[:_NAMED])
        yield (
            f"log lines of {len(shared)} runs with other bots may name @{handle}: they go with the "
            f"run, by `prefect flow-run delete ID` ({ids}{' …' * (len(shared) > _NAMED)})"
        )
    yield (
        "Prefect's events name runs until they expire "
        "(PREFECT_SERVER_EVENTS_RETENTION_PERIOD, seven days by default)"
    )


def _gone(delete: Callable[[Any], object], name: object) -> None:
    with suppress(ObjectNotFound):  # by an earlier call, or another at the same time
        delete(name)
