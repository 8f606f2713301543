"""What the automations do, on the servers of `infra/compose.yaml`.

Not on SQLite: there Prefect now and then loses an event when several are written at a time.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Failed, Pending, Running

from deployments.server import automations
from deployments.server.apply import apply_infra
from tasks.core.settings import settings
from tests.infra.machines import LOGIN, missing, running_machines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is here"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with running_machines(tmp_path_factory.mktemp("machines"), servers=1) as machines:
        ours = {PREFECT_API_URL: machines.api(0), PREFECT_API_AUTH_STRING: LOGIN}
        with temporary_settings(ours):
            yield


@pytest.fixture
def client(server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@flow(name="nightly")
def night() -> None:
    """Only its name matters here."""


@flow(name="retrain")
def batch() -> None:
    """Only that it is deployed matters here."""


def deployed_run(client: SyncPrefectClient, of: Any, pool: str) -> FlowRun:
    """A run of a deployment, as the server holds it before a worker takes it."""
    identity = client.create_deployment(
        flow_id=client.create_flow(of), name=f"applied-{pool}", work_pool_name=pool
    )
    return client.create_flow_run_from_deployment(identity)


def become(client: SyncPrefectClient, run: FlowRun, *states: State[Any]) -> None:
    for state in states:
        client.set_flow_run_state(run.id, state, force=True)


def state_within(client: SyncPrefectClient, run: FlowRun, name: str, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = client.read_flow_run(run.id).state
        if state is not None and state.name == name:
            return True
        time.sleep(0.2)
    return False


def test_a_crashed_run_is_tried_again_until_it_has_had_its_tries(
    client: SyncPrefectClient,
) -> None:
    apply_infra()
    automations.apply_automation(client, automations.crashed_runs(tries=3))
    time.sleep(2)  # the server reads its automations anew every second or so
    run = deployed_run(client, batch, "train")
    for _ in range(2):
        become(client, run, Pending(), Running(), Crashed())
        assert state_within(client, run, "AwaitingRetry")
    become(client, run, Pending(), Running(), Crashed())
    assert not state_within(client, run, "AwaitingRetry", 4)
    never_ran = deployed_run(client, batch, "train")
    become(client, never_ran, Pending(), Crashed())
    assert not state_within(client, never_ran, "AwaitingRetry", 4)


def test_silent_and_unstarted_runs_are_taken_up_again(client: SyncPrefectClient) -> None:
    apply_infra()
    soon = timedelta(seconds=10)  # the shortest that Prefect takes
    for automation in (automations.silent_runs(soon), automations.unstarted_runs(soon)):
        automations.apply_automation(client, automation)
    time.sleep(2)
    silent, unstarted, well = (deployed_run(client, batch, "train") for _ in range(3))
    become(client, unstarted, Pending())
    for run in (silent, well):
        become(client, run, Pending(), Running())
        beat(client, run)
    become(client, well, Completed())
    assert state_within(client, silent, "AwaitingRetry", 40), "Crashed, and then tried again"
    assert state_within(client, unstarted, "AwaitingRetry", 40)
    assert state_within(client, well, "Completed", 1)


def beat(client: SyncPrefectClient, run: FlowRun) -> None:
    """Send a heartbeat, as a running flow does now and then."""
    heartbeat = {
        "id": str(uuid4()),
        "event": "prefect.flow-run.heartbeat",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}"},
        "payload": {},
    }
    client.request("POST", "/events", json=[heartbeat])


def test_a_failed_night_is_reported(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as (url, received):
        monkeypatch.setenv("HUGGINGTWEETS_NOTIFY_URL", url)
        settings.cache_clear()
        apply_infra()
        time.sleep(2)
        for reason in ('1 of 2 bots failed: "alice"\nand so on', "again"):
            run = deployed_run(client, night, "cpu")
            become(client, run, Pending(), Running(), Failed(message=reason))
            end = time.monotonic() + 30
            while not received and time.monotonic() < end:
                time.sleep(0.1)
            message = received.pop()
            assert message["text"] == message["content"]
            assert message["text"].endswith(f"Failed: {reason}")
        other = deployed_run(client, batch, "train")
        become(client, other, Pending(), Running(), Failed(message="one batch"))
        time.sleep(3)
        assert received == []


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web server that keeps what is posted to it."""
    received: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Nothing to the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
