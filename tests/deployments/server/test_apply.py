"""`infra apply` on a real Prefect server."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from deployments.server import automations
from deployments.server.apply import apply_infra
from deployments.server.automations import (
    CRASHED_RUNS,
    FAILED_NIGHTS,
    SILENT_RUNS,
    UNSTARTED_RUNS,
)
from deployments.server.notification import BLOCK
from deployments.server.work_pools import template
from tasks.core.errors import BadInput
from tasks.core.settings import settings
from tests.servers.s3 import KEYS, S3, free_port, running_s3

Command = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("prefect_server")
AUTOMATIONS = (SILENT_RUNS, UNSTARTED_RUNS, CRASHED_RUNS, FAILED_NIGHTS)
LIMITS = [
    "community-archive",
    "community-archive-accounts",
    "x-api",
    "x-api-accounts",
    "bluesky",
    "bluesky-accounts",
]


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    """A client of a server on which nothing is applied yet."""
    with get_client(sync_client=True) as client:
        for name in AUTOMATIONS:
            automations.remove_automation(client, name)
        for pool in client.read_work_pools():
            if pool.name in ("cpu", "train"):
                client.delete_work_pool(pool.name)
        for name in LIMITS:
            with suppress(ObjectNotFound):
                client.delete_global_concurrency_limit_by_name(name)
        yield client
        for name in AUTOMATIONS:  # they would retry the runs of other tests
            automations.remove_automation(client, name)


def changes(command: Command, *words: str) -> dict[str, str]:
    code, out, err = command("infra", "apply", "--json", *words)
    assert code == 0, err
    return {each["name"]: each["change"] for each in json.loads(out)}


@pytest.mark.usefixtures("client")
def test_the_second_time_all_is_unchanged(command: Command) -> None:
    names = ["cpu", "train", *LIMITS, SILENT_RUNS, UNSTARTED_RUNS, CRASHED_RUNS]
    assert changes(command) == dict.fromkeys(names, "made")
    assert changes(command) == dict.fromkeys(names, "unchanged")
    assert changes(command, "--silence", "60")[SILENT_RUNS] == "changed"
    assert changes(command)[SILENT_RUNS] == "unchanged", "it stays as the operator chose it"
    assert changes(command, "--silence", "60")[SILENT_RUNS] == "unchanged"
    assert changes(command, "--silence", "150")[SILENT_RUNS] == "changed"
    code, out, _ = command("infra", "apply")
    assert code == 0
    assert out.count("unchanged") == len(names), "as a table"


def test_a_bucket_is_made_where_the_url_allows_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with running_s3() as s3:
        url = s3.url(bucket="new-one")
        code, _, err = command("--storage", url, "infra", "apply")
        assert code == 2
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
    client.update_automation(client.read_automations_by_name(CRASHED_RUNS)[0].id, off)
    assert {each.change for each in apply_infra()} == {"unchanged"}
    assert client.read_global_concurrency_limit_by_name("x-api").limit == 2
    assert not client.read_automations_by_name(CRASHED_RUNS)[0].enabled


def test_a_double_is_removed(client: SyncPrefectClient) -> None:
    apply_infra()
    client.create_automation(automations.crashed_runs())
    assert [each.change for each in apply_infra() if each.name == CRASHED_RUNS] == ["changed"]
    assert len(client.read_automations_by_name(CRASHED_RUNS)) == 1


def test_a_pool_of_processes_with_the_template_of_prefect_is_changed(
    client: SyncPrefectClient,
) -> None:
    """Older versions left it to the worker, whose template lets a run choose its command."""
    apply_infra()
    of_prefect = ProcessWorker.get_default_base_job_template()
    client.update_work_pool("train", WorkPoolUpdate(base_job_template=of_prefect))
    assert [each.change for each in apply_infra() if each.name == "train"] == ["changed"]
    assert client.read_work_pool("train").base_job_template == template("process", "train")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as s3:
        yield s3


@pytest.fixture
def s3_storage(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (*KEYS.items(), ("HUGGINGTWEETS_STORAGE", s3.url())):
        monkeypatch.setenv(name, value)
    settings.cache_clear()


def test_containers_do_not_share_a_folder(command: Command) -> None:
    code, _, err = command("infra", "apply", "--docker")
    assert code == 2
    assert "storage is a folder, which the containers of runs do not share" in err


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_pools_of_other_kinds(
    client: SyncPrefectClient, command: Command, kind: str, s3_storage: None
) -> None:
    made = changes(command, f"--{kind}")
    assert made["cpu"] == made["train"] == "made"
    pool = client.read_work_pool("train")
    assert pool.type == kind
    assert "variables" in pool.base_job_template
    assert changes(command)["train"] == "unchanged", "it stays what it is"
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
    assert (first[BLOCK], first[FAILED_NIGHTS]) in {("made", "made"), ("changed", "made")}
    again = apply("https://hooks.example.com/secret-1")
    assert (again[BLOCK], again[FAILED_NIGHTS]) == ("unchanged", "unchanged")
    other = apply("https://hooks.example.com/secret-2")
    assert (other[BLOCK], other[FAILED_NIGHTS]) == ("changed", "unchanged")
    automation = client.read_automations_by_name(FAILED_NIGHTS)[0]
    assert "secret" not in automation.model_dump_json()
    assert apply(None)[FAILED_NIGHTS] == "removed"
    assert not client.read_automations_by_name(FAILED_NIGHTS)


def test_a_server_that_is_away_or_refuses_is_reported_in_one_line(command: Command) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: nobody}):
        code, _, err = command("infra", "apply")
    assert code == 1
    assert err.startswith(f"huggingtweets: no Prefect server answers at {nobody}")
    with answering(401) as url, temporary_settings({PREFECT_API_URL: url}):
        code, _, err = command("infra", "apply")
    assert code == 2
    assert err == (
        f"huggingtweets: the Prefect server at {url} refuses the login: "
        "correct PREFECT_API_AUTH_STRING\n"
    )
    with (
        answering(418) as url,
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(PrefectHTTPStatusError),
    ):
        command("infra", "apply")


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers all with this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *words: object) -> None:
            """Nothing to the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
