"""`infra apply` on a real Prefect server, and what its automations then do."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.states import Completed, Crashed, Failed, Pending, Running

from deployments import automations
from deployments.automations import CRASHED, SILENT, TOLD, UNBEGUN
from deployments.infra import apply_infra
from deployments.notification import BLOCK
from tasks.errors import BadInput
from tasks.settings import settings
from tests.servers.s3 import KEYS, running_s3

Command = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("prefect_server")
LIMITS = ["x-api", "x-api-accounts", "bluesky", "bluesky-accounts"]


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    """A client of a server on which nothing is applied yet."""
    with get_client(sync_client=True) as client:
        for name in (SILENT, UNBEGUN, CRASHED, TOLD):
            automations.remove_automation(client, name)
        for pool in client.read_work_pools():
            if pool.name in ("cpu", "train"):
                client.delete_work_pool(pool.name)
        for limit in client.read_global_concurrency_limits():
            if limit.name in LIMITS:
                client.delete_global_concurrency_limit_by_name(limit.name)
        yield client
        for name in (SILENT, UNBEGUN, CRASHED, TOLD):  # no other test's runs are to be tried again
            automations.remove_automation(client, name)


def changes(command: Command, *words: str) -> dict[str, str]:
    code, out, err = command("infra", "apply", "--json", *words)
    assert code == 0, err
    return {each["name"]: each["change"] for each in json.loads(out)}


@pytest.mark.usefixtures("client")
def test_the_second_time_all_is_unchanged(command: Command) -> None:
    names = ["cpu", "train", *LIMITS, SILENT, UNBEGUN, CRASHED]
    assert changes(command) == dict.fromkeys(names, "made")
    assert changes(command) == dict.fromkeys(names, "unchanged")
    assert changes(command, "--silence", "60")[SILENT] == "changed"
    code, out, _ = command("infra", "apply")
    assert code == 0
    assert "changed" in out, "as a table"
    assert out.count("unchanged") == len(names) - 1


def test_a_bucket_is_made_where_the_url_allows_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with running_s3() as s3:
        url = s3.url(bucket="new-one")
        code, _, err = command("--storage", url, "infra", "apply")
        assert code == 1
        assert "add allow_bucket_creation=true to the URL" in err
        for change in ("made", "unchanged"):
            words = ("--storage", f"{url}&allow_bucket_creation=true", "infra", "apply", "--json")
            code, out, err = command(*words)
            assert code == 0, err
            assert json.loads(out)[0] == {"kind": "bucket", "name": "new-one", "change": change}


def test_what_the_operator_chose_is_left_alone(client: SyncPrefectClient) -> None:
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    apply_infra()
    client.update_global_concurrency_limit("x-api", GlobalConcurrencyLimitUpdate(limit=2))
    off = automations.crashed_runs().model_copy(update={"enabled": False})
    client.update_automation(client.read_automations_by_name(CRASHED)[0].id, off)
    assert {each.change for each in apply_infra()} == {"unchanged"}
    assert client.read_global_concurrency_limit_by_name("x-api").limit == 2
    assert not client.read_automations_by_name(CRASHED)[0].enabled


def test_a_double_is_removed(client: SyncPrefectClient) -> None:
    apply_infra()
    client.create_automation(automations.crashed_runs())
    assert [each.change for each in apply_infra() if each.name == CRASHED] == ["changed"]
    assert len(client.read_automations_by_name(CRASHED)) == 1


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_pools_of_other_kinds(client: SyncPrefectClient, command: Command, kind: str) -> None:
    made = changes(command, f"--{kind}")
    assert made["cpu"] == made["train"] == "made"
    pool = client.read_work_pool("train")
    assert pool.type == kind
    assert "variables" in pool.base_job_template
    assert changes(command)["train"] == "unchanged", "it stays what it is"
    from prefect.client.schemas.actions import WorkPoolUpdate

    client.update_work_pool("train", WorkPoolUpdate(base_job_template={}))
    assert changes(command)["train"] == "changed"
    with pytest.raises(BadInput, match=f"work pool cpu is of type {kind}, not process"):
        apply_infra("process")
    assert command("infra", "apply", "--docker", "--kubernetes")[0] == 2


def test_the_address_of_the_notification_is_a_secret(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apply(url: str | None) -> dict[str, str]:
        settings.cache_clear()
        if url is None:
            monkeypatch.delenv("HUGGINGTWEETS_NOTIFY_URL")
        else:
            monkeypatch.setenv("HUGGINGTWEETS_NOTIFY_URL", url)
        return {each.name: each.change for each in apply_infra()}

    first = apply("https://hooks.example.com/secret-1")
    assert (first[BLOCK], first[TOLD]) in {("made", "made"), ("changed", "made")}
    again = apply("https://hooks.example.com/secret-1")
    assert (again[BLOCK], again[TOLD]) == ("unchanged", "unchanged")
    other = apply("https://hooks.example.com/secret-2")
    assert (other[BLOCK], other[TOLD]) == ("changed", "unchanged")
    automation = client.read_automations_by_name(TOLD)[0]
    assert "secret" not in automation.model_dump_json()
    assert apply(None)[TOLD] == "removed"
    assert not client.read_automations_by_name(TOLD)


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


def test_what_falls_silent_or_never_begins_is_taken_up_again(client: SyncPrefectClient) -> None:
    apply_infra()
    soon = timedelta(seconds=10)  # the shortest that Prefect takes
    for automation in (automations.silent_runs(soon), automations.unbegun_runs(soon)):
        automations.apply_automation(client, automation)
    time.sleep(2)
    silent, unbegun, well = (deployed_run(client, batch, "train") for _ in range(3))
    become(client, unbegun, Pending())
    for run in (silent, well):
        become(client, run, Pending(), Running())
        beat(run)
    become(client, well, Completed())
    assert state_within(client, silent, "AwaitingRetry", 40), "Crashed, and then tried again"
    assert state_within(client, unbegun, "AwaitingRetry", 40)
    assert state_within(client, well, "Completed", 1)


def beat(run: FlowRun) -> None:
    """What a running flow says of itself now and then."""
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{run.id}",
        "prefect.resource.name": run.name,
    }
    emit_event("prefect.flow-run.heartbeat", resource)


def test_a_failed_night_is_told(client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as (url, told):
        monkeypatch.setenv("HUGGINGTWEETS_NOTIFY_URL", url)
        settings.cache_clear()
        apply_infra()
        time.sleep(2)
        for reason in ('1 of 2 bots failed: "alice"\nand so on', "again"):
            run = deployed_run(client, night, "cpu")
            become(client, run, Pending(), Running(), Failed(message=reason))
            end = time.monotonic() + 30
            while not told and time.monotonic() < end:
                time.sleep(0.1)
            said = told.pop()
            assert said["text"] == said["content"]
            assert said["text"].endswith(f"Failed: {reason}")
        other = deployed_run(client, batch, "train")
        become(client, other, Pending(), Running(), Failed(message="one batch"))
        time.sleep(3)
        assert told == []


class listening:  # noqa: N801 - used as a function
    """A web server that keeps what is posted to it."""

    def __enter__(self) -> tuple[str, list[dict[str, str]]]:
        told: list[dict[str, str]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Nothing to the terminal."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/", told

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
