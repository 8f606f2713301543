"""`huggingtweets serve` with real processes: it comes up, mends itself, and leaves nothing."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from prefect.settings.models.server.events import ServerEventsSettings
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

from deployments.serve import NIGHT_HOUR, next_night, process_environment, what_is_to_come
from tasks.core.settings import settings
from tasks.storage import open_storage
from tests.sample_posts import write_table
from tests.servers.prefect_database import put_database
from tests.servers.prefect_site import DEPLOYMENTS, ROOT, Site, free_port, until
from tests.servers.s3 import running_s3

WORD = "sesame-5d1f"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The settings of a site that `serve` is to run; nothing of it is started."""
    return Site(tmp_path, {"STORAGE": str(tmp_path / "storage")}, port=free_port())


@pytest.fixture
def site_on_s3(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The same with an object store, whose URL holds the credentials."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # else seconds for each new process
    with running_s3() as s3:
        site.settings["STORAGE"] = s3.url().replace("s3://", f"s3://operator:{WORD}@", 1)
        yield site


LINKS = {"artifacts": {"key": {"any_": ["huggingtweets-web"]}}}


@pytest.fixture
def served(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    put_database(site.folder / "home")
    command = [str(Path(sys.executable).parent / "huggingtweets"), "serve"]
    with (site.folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(site.port), "--web-port", str(free_port())],
            cwd=ROOT, env=site.environment("home"), stdout=log, stderr=log,
        )  # fmt: skip
    yield process
    for each in ours(site):
        each.kill()


def ours(site: Site) -> list[psutil.Process]:
    """The processes that live in the site's home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT_HOME") == str(site.folder / "home"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it went by itself, or is not ours
    return found


def worker(site: Site, name: str) -> psutil.Process:
    return next(each for each in ours(site) if f"serve-{name}" in each.cmdline())


def retrain_alice(site: Site, base: Path) -> None:
    """Run a retrain on the site's worker, to its end."""
    table = write_table(site.folder / "alice.csv", posts=200)
    training = {"epochs": 1, "precision": "fp32"}
    options: dict[str, Any] = {"base": str(base), "training": training}
    bots = [{"name": "alice", "sources": {"alice": str(table)}, "options": options}]
    ended = site.wait(site.start_run("retrain/retrain", {"bots": bots}), 180)
    assert ended.state is not None
    assert ended.state.is_completed(), ended.state.message


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (f"s3://key:{WORD}@bucket/bots?region=x", f"s3://key:{WORD}@bucket/bots?region=x"),
        ("bots", "{here}/bots"),
        ("/bots", "/bots"),
    ],
)
def test_workers_get_the_storage_that_the_operator_gave(
    given: str, passed_on: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_STORAGE", given)
    settings.cache_clear()
    environment = process_environment("127.0.0.1", 4200)
    assert environment["HUGGINGTWEETS_STORAGE"] == passed_on.format(here=tmp_path)


@pytest.mark.slow
def test_it_serves_mends_itself_and_leaves_nothing_behind(
    site: Site, served: subprocess.Popen[bytes], tiny_base: Path
) -> None:
    until(lambda: "Ready:" in site.log_of("serve"), 180, "the word Ready")
    until(lambda: bool(worker(site, "train")), 30, "the worker")
    first = worker(site, "train")
    first.kill()
    until(lambda: "The train worker exited" in site.log_of("serve"), 30, "the mending")
    retrain_alice(site, tiny_base)
    page = f"http://127.0.0.1:{served.args[-1]}"
    assert [bot["bot"] for bot in httpx.get(f"{page}/api/bots").json()] == ["alice"]
    assert f"http://127.0.0.1:{site.port}" in httpx.get(page).text
    (link,) = httpx.post(f"{site.url}/artifacts/latest/filter", json=LINKS).json()
    assert page in link["data"]

    served.send_signal(signal.SIGINT)
    assert served.wait(timeout=60) == 0
    assert ours(site) == []
    with sqlite3.connect(site.folder / "home" / "prefect.db") as database:
        paused = database.execute("select name, paused from deployment").fetchall()
    assert {name for name, _ in paused} >= {"nightly", "retrain", "account", "backfill"}
    assert not any(flag for _, flag in paused)


@pytest.mark.slow
def test_credentials_in_the_url_of_the_storage_are_in_the_environment_alone(
    site_on_s3: Site, served: subprocess.Popen[bytes], tiny_base: Path
) -> None:
    site = site_on_s3
    until(lambda: "Ready:" in site.log_of("serve"), 180, "the word Ready")
    retrain_alice(site, tiny_base)
    assert open_storage(site.settings["STORAGE"]).folders("releases/alice")
    for process in ours(site):
        given = process.environ()["HUGGINGTWEETS_STORAGE"]
        assert given == site.settings["STORAGE"], process.cmdline()
        assert WORD not in " ".join(process.cmdline())
    served.send_signal(signal.SIGINT)
    assert served.wait(timeout=60) == 0
    for file in filter(Path.is_file, site.folder.rglob("*")):
        assert WORD.encode() not in file.read_bytes(), file


def test_a_port_that_is_taken_is_told(
    command: Callable[..., tuple[int, str, str]], site: Site
) -> None:
    with psutil.Popen([sys.executable, "-m", "http.server", str(site.port), "-b", "127.0.0.1"],
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:  # fmt: skip
        until(lambda: bool(other.net_connections()), 10, "the other server")
        code, _, err = command("serve", "--port", site.port)
        other.terminate()
    assert code == 2
    assert f"port {site.port}" in err


def test_the_server_forgets_old_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_KEEP_RUNS_DAYS", "2")
    settings.cache_clear()
    environment = process_environment("127.0.0.1", 4200)
    for name, value in environment.items():
        if name.startswith(("PREFECT_SERVER_SERVICES_DB_VACUUM", "PREFECT_SERVER_EVENTS")):
            monkeypatch.setenv(name, value)
    vacuum = ServerServicesDBVacuumSettings()
    assert vacuum.retention_period == timedelta(days=2)
    assert {"events", "flow_runs", "orphans"} == vacuum.enabled_vacuum_types
    assert ServerEventsSettings().retention_period == timedelta(days=2)


def test_what_is_to_come_is_said_or_how_to_make_a_registry(tmp_path: Path) -> None:
    storage, now = open_storage(str(tmp_path / "storage")), datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    assert "no bot is kept fresh" in what_is_to_come(storage, now)
    (tmp_path / "bots.yaml").write_text("bots:\n- handles: [alice]\n")
    said = what_is_to_come(storage, now)
    assert "1 bots in bots.yaml, 1 due (@alice)" in said
    assert "Thu 02:00 UTC" in said
    (tmp_path / "bots.yaml").write_text("bots: 1\n")
    assert "cannot be used" in what_is_to_come(storage, now)


def test_the_next_night_is_that_of_the_schedule() -> None:
    schedules = [
        schedule
        for each in yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]
        for schedule in each.get("schedules", ())
    ]
    assert [(each["cron"], each["timezone"]) for each in schedules] == [
        (f"0 {NIGHT_HOUR} * * *", "UTC")
    ]
    after = datetime(2026, 1, 1, NIGHT_HOUR, tzinfo=UTC)
    assert next_night(after) == after + timedelta(days=1)
