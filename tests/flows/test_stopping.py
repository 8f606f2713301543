"""What a flow makes of SIGTERM, which a worker sends when it ends, and to a cancelled run."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelling, Running

from flows.stopping import stoppable
from tasks.core import interruption


@flow
def nothing() -> None:
    """What the run of these tests would do."""


@pytest.fixture
def client(prefect_server: int) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def run(client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A run of a deployment, which is this process' own, as workers name it."""
    deployment = client.create_deployment(client.create_flow(nothing), name="stopped")
    run = client.create_flow_run_from_deployment(deployment, state=Running()).id
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(run))
    return run


def stop() -> None:
    with stoppable():
        interruption.request_stop()


def test_a_run_whose_worker_ends_is_taken_up_again(run: UUID) -> None:
    with pytest.raises(TerminationSignal):
        stop()


def test_a_cancelled_run_ends_with_its_outcome(run: UUID, client: SyncPrefectClient) -> None:
    client.set_flow_run_state(run, Cancelling(), force=True)
    stop()
