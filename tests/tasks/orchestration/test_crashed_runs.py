"""Runs that crashed, and that the server has not tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Crashed, Pending, Running, State

from deployments.serve import retry_crashed_runs as serve_looks
from deployments.server.work_pools import POOLS as OUR_POOLS
from flows.chunks import restart_crashed_runs as nights_look
from tasks.orchestration.crashed_runs import (
    AUTOMATION,
    MISSED_AFTER,
    POOLS,
    TOO_OLD,
    TRIES,
    is_missed,
    restart_crashed,
)

NOW = datetime.now(UTC)


@flow
def nothing() -> None:
    """What the runs of these tests would do."""


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def automation(client: SyncPrefectClient) -> Iterator[UUID]:
    """The automation, deaf: as if all of its events were lost."""
    deaf = EventTrigger(
        posture=Posture.Reactive, expect={"nothing"}, threshold=1, within=timedelta(0)
    )
    made = client.create_automation(
        AutomationCore(name=AUTOMATION, trigger=deaf, actions=[DoNothing()])
    )
    yield made
    client.delete_automation(made)


def crashed_run(client: SyncPrefectClient, pool: str) -> UUID:
    with suppress(ObjectAlreadyExists):  # another test has made it
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    deployment = client.create_deployment(
        client.create_flow(nothing), name=f"of {pool}", work_pool_name=pool
    )
    run = client.create_flow_run_from_deployment(deployment).id
    for state in (Pending(), Running(), Crashed()):
        client.set_flow_run_state(run, state, force=True)
    return run


def name_of(client: SyncPrefectClient, run: UUID) -> str:
    return client.read_flow_run(run).name


def test_a_missed_run_is_restarted_once(client: SyncPrefectClient, automation: UUID) -> None:
    run, other = crashed_run(client, "train"), crashed_run(client, "somebody-elses")
    assert restart_crashed(client, datetime.now(UTC)) == [], "the server may still do it"
    later = datetime.now(UTC) + MISSED_AFTER + timedelta(seconds=5)
    assert restart_crashed(client, later) == [name_of(client, run)]
    assert client.read_flow_run(run).state_name == "AwaitingRetry"
    assert client.read_flow_run(other).state_type is StateType.CRASHED
    assert restart_crashed(client, later) == []


def test_serve_and_nights_look_for_it(
    client: SyncPrefectClient, automation: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    run = crashed_run(client, "train")
    nights_look()
    serve_looks(str(client.api_url))
    assert client.read_flow_run(run).state_type is StateType.CRASHED, "it is too early for both"
    assert capsys.readouterr().err == ""
    serve_looks("http://127.0.0.1:9/api")
    assert "does not answer (ConnectError" in capsys.readouterr().err


def test_an_operator_who_switches_it_off_has_it_off(
    client: SyncPrefectClient, automation: UUID
) -> None:
    run, later = crashed_run(client, "cpu"), datetime.now(UTC) + timedelta(minutes=2)
    client.pause_automation(automation)
    assert restart_crashed(client, later) == []
    client.resume_automation(automation)
    assert name_of(client, run) in restart_crashed(client, later)


def run_of(state: State, run_count: int = 1) -> FlowRun:
    return FlowRun(flow_id=uuid4(), state=state, run_count=run_count)


@pytest.mark.parametrize(
    ("age", "run_count", "missed"),
    [
        (MISSED_AFTER / 2, 1, False),
        (MISSED_AFTER * 2, 1, True),
        (MISSED_AFTER * 2, 0, False),
        (MISSED_AFTER * 2, TRIES - 1, True),
        (MISSED_AFTER * 2, TRIES, False),
        (TOO_OLD * 2, 1, False),
    ],
)
def test_which_runs_are_missed(age: timedelta, run_count: int, *, missed: bool) -> None:
    crashed = Crashed(timestamp=NOW - age)
    assert is_missed(run_of(crashed, run_count), NOW) is missed
    assert not is_missed(run_of(Running(timestamp=NOW - age)), NOW)


def test_the_pools_are_those_that_are_made() -> None:
    assert set(POOLS) == set(OUR_POOLS)
