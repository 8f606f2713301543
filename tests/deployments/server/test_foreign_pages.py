"""Foreign web pages against our Prefect server, and its own UI: raw sockets and a real Chromium."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Paused, Pending, Running
from prefect.utilities.callables import parameter_schema

from deployments.server.apply import apply_infra
from flows.forget import forget
from tests.servers.browser import running_chromium
from tests.servers.prefect_site import Site, running_site, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "prefect",
}
EVIL = "http://evil.example"
RUN = json.dumps({"parameters": {"handle": "victim"}})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server of `serve`, with our work pools."""
    folder = tmp_path_factory.mktemp("site")
    with running_site(folder, STORAGE=str(folder / "storage")) as site, site.client():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HUGGINGTWEETS_STORAGE", site.settings["STORAGE"])
            apply_infra()
        yield site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[SyncPrefectClient]:
    with site.client() as client:
        yield client


@pytest.fixture(scope="module")
def deployment(client: SyncPrefectClient) -> UUID:
    """The deployment of `forget`, as `prefect deploy` makes it."""
    return client.create_deployment(
        client.create_flow(forget),
        name="forget",
        work_pool_name="cpu",
        entrypoint="flows.forget.forget",
        parameter_openapi_schema=parameter_schema(forget).model_dump_for_openapi(),
    )


@pytest.fixture(params=["served", "temporary"])
def port(request: pytest.FixtureRequest) -> int:
    """The port of each of our servers."""
    if request.param == "served":
        return int(request.getfixturevalue("site").port)
    return int(request.getfixturevalue("prefect_server"))


def status(
    port: int, path: str, body: str | None = None, method: str = "POST", **headers: str
) -> int:
    """How the server answers a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    given = {"Host": f"127.0.0.1:{port}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    if body is not None:
        given["Content-Length"] = str(len(body))
    for name, value in given.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode() if body is not None else None)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def handshake(port: int, path: str, **headers: str) -> int:
    return status(port, path, method="GET", **HANDSHAKE, **headers)


def test_only_our_names_are_answered(port: int) -> None:
    assert status(port, "/api/health", method="GET") == 200
    assert status(port, "/api/health", method="GET", Host=f"localhost:{port}") == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}"):
        assert status(port, "/api/health", method="GET", Host=host) == 403, host
        assert handshake(port, "/api/events/out", Host=host) == 403, host


def test_only_our_origins_are_answered(port: int) -> None:
    ours = f"http://127.0.0.1:{port}"
    for origin in (EVIL, "null", f"http://127.0.0.1:{port + 1}", f"{ours}.evil.example"):
        assert status(port, "/api/flow_runs/filter", Origin=origin) == 403, origin
        for path in ("/api/events/out", "/api/events/in", "/api/logs/out"):
            assert handshake(port, path, Origin=origin) == 403, (origin, path)
    for path in ("/api/events/out", "/api/events/in", "/api/logs/out"):
        assert handshake(port, path, Origin=ours) == 101, path
        assert handshake(port, path) == 101, "programs send none"


def test_a_body_is_json_or_absent(port: int) -> None:
    path = "/api/flow_runs/filter"
    assert status(port, path) == 200
    assert status(port, path, "{}", Content_Type="application/json") == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"):
        assert status(port, path, "{}", Content_Type=kind) == 415, kind
    assert status(port, path, "{}") == 415


@pytest.mark.parametrize(
    "variables",
    [
        {"command": "touch /home/owned"},
        {"env": {"PYTHONPATH": "/home/evil"}},
        {"env.PYTHONPATH": "/home/evil"},
        {"working_dir": "/home/evil"},
        {"image": "evil"},
    ],
)
def test_a_run_cannot_choose_its_code(
    client: SyncPrefectClient, deployment: UUID, variables: dict[str, Any]
) -> None:
    with pytest.raises(PrefectHTTPStatusError) as refused:
        client.create_flow_run_from_deployment(
            deployment, parameters={"handle": "alice"}, job_variables=variables
        )
    assert refused.value.response.status_code == 422


# What a page of the attacker runs: all that a browser sends without asking the server first.
ATTACKS = """async ([address, deployment, body]) => {
  const api = `http://${address}/api`, run = `${api}/deployments/${deployment}/create_flow_run`;
  const socket = (path) => new Promise((done) => {
    const opened = new WebSocket(`ws://${address}/api${path}`, "prefect");
    opened.onopen = () => done(`${path} opened`);
    opened.onerror = () => done(`${path} refused`);
  });
  const post = async (body) => {
    try { await fetch(run, {method: "POST", mode: "no-cors", body}); } catch { /* refused */ }
  };
  await post(body);
  await post(new Blob([body]));
  await post(new URLSearchParams(JSON.parse(body)));
  await post();
  navigator.sendBeacon(run, body);
  const frame = document.createElement("iframe");
  frame.name = "frame";
  const form = document.createElement("form");
  Object.assign(form, {action: run, method: "POST", enctype: "text/plain", target: "frame"});
  const field = document.createElement("input");
  Object.assign(field, {name: body.slice(0, -1) + ', "x": "', value: '"}'});
  form.append(field);
  document.body.append(frame, form);
  const loaded = new Promise((done) => { frame.onload = done; });
  form.submit();
  await loaded;
  return Promise.all(["/events/out", "/events/in", "/logs/out"].map(socket));
}"""


@contextmanager
def serving_pages() -> Iterator[int]:
    """A web server of somebody else on this machine; yields its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>cats</title>")

        def log_message(self, *words: object) -> None:
            """Nothing to the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    rebinding = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    with running_chromium(rebinding) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


def answers_to(page: Page) -> list[int]:
    """The statuses of all answers of the API that the page gets from now on."""
    found: list[int] = []

    def note(response: Any) -> None:
        if "/api/" in response.url:
            found.append(response.status)

    page.on("response", note)
    return found


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example"])
def test_a_page_on_another_port_starts_nothing_and_hears_nothing(
    page: Page, site: Site, client: SyncPrefectClient, deployment: UUID, name: str
) -> None:
    before = len(client.read_flow_runs())
    statuses = answers_to(page)
    with serving_pages() as port:
        page.goto(f"http://{name}:{port}/")
        address = f"127.0.0.1:{site.port}"
        sockets = page.evaluate(ATTACKS, [address, str(deployment), RUN])
    assert sockets == ["/events/out refused", "/events/in refused", "/logs/out refused"]
    assert len(statuses) >= 5
    assert set(statuses) == {403}
    assert len(client.read_flow_runs()) == before


def test_a_name_that_is_rebound_to_this_machine_shows_nothing(page: Page, site: Site) -> None:
    answer = page.goto(f"http://evil.example:{site.port}/api/flow_runs/count")
    assert answer is not None
    assert answer.status == 403
    text = page.evaluate(
        "async () => (await fetch('/api/flow_runs/filter', {method: 'POST'})).text()"
    )
    assert "is not a name of this server" in text


def started(client: SyncPrefectClient, deployment: UUID, handle: str) -> FlowRun:
    """A run that a worker would have taken."""
    parameters = {"handle": handle}
    run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
    for state in (Pending(), Running()):
        client.set_flow_run_state(run.id, state, force=True)
    return run


def has_state(client: SyncPrefectClient, run: FlowRun, *names: str) -> Callable[[], bool]:
    return lambda: client.read_flow_run(run.id).state_name in names


def test_the_form_of_a_deployment_starts_a_run(
    page: Page, site: Site, client: SyncPrefectClient, deployment: UUID
) -> None:
    statuses = answers_to(page)
    page.goto(f"http://localhost:{site.port}/deployments/deployment/{deployment}/run")
    page.locator("textarea").fill("formfiller")
    page.locator("button[type=submit]").click()

    def has_started() -> bool:
        page.wait_for_timeout(100)  # lets the browser go on
        return any(run.parameters["handle"] == "formfiller" for run in client.read_flow_runs())

    until(has_started, 60, "the run of the form")
    assert statuses
    assert max(statuses) < 400


def test_the_page_of_a_run_shows_its_log_live_and_cancels_it(
    page: Page, site: Site, client: SyncPrefectClient, deployment: UUID
) -> None:
    run = started(client, deployment, "alice")
    page.goto(f"http://127.0.0.1:{site.port}/runs/flow-run/{run.id}")
    page.get_by_role("button", name="Cancel").wait_for()
    line = LogCreate(
        name="huggingtweets", level=20, message="resuming from step 120",
        timestamp=datetime.now(UTC), flow_run_id=run.id,
    )  # fmt: skip
    client.create_logs([line])
    page.get_by_text("resuming from step 120").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Confirm").click()
    until(has_state(client, run, "Cancelling", "Cancelled"), 60, "the cancellation")


def test_the_page_of_a_paused_run_resumes_it(
    page: Page, site: Site, client: SyncPrefectClient, deployment: UUID
) -> None:
    run = started(client, deployment, "bob")
    client.set_flow_run_state(run.id, Paused(timeout_seconds=600), force=True)
    page.goto(f"http://127.0.0.1:{site.port}/runs/flow-run/{run.id}")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Submit").click()
    until(has_state(client, run, "Running", "Resuming", "Scheduled"), 60, "the resumption")


@pytest.mark.parametrize("path", ["/", "/v2/"])
def test_both_interfaces_load(page: Page, site: Site, path: str) -> None:
    statuses = answers_to(page)
    page.goto(f"http://localhost:{site.port}{path}")
    page.get_by_text("Work Pools").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert statuses
    assert max(statuses) < 400
