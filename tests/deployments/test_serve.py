"""`huggingtweets serve` with real processes: it comes up, mends itself, and leaves nothing."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.sample_posts import write_table
from tests.servers.prefect_site import ROOT, Site, free_port, until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The settings of a site that `serve` is to run; nothing of it is started."""
    return Site(tmp_path, {"STORAGE": str(tmp_path / "storage")}, port=free_port())


@pytest.fixture
def served(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(Path(sys.executable).parent / "huggingtweets"), "serve"]
    with (site.folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(site.port)],
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


def test_it_serves_mends_itself_and_leaves_nothing_behind(
    site: Site, served: subprocess.Popen[bytes], tiny_base: Path
) -> None:
    until(lambda: "Ready:" in site.log_of("serve"), 180, "the word Ready")
    table = write_table(site.folder / "alice.csv", posts=200)
    options = {"base": str(tiny_base), "training": {"epochs": 1, "precision": "fp32"}}
    bots = [{"name": "alice", "sources": {"alice": str(table)}, "options": options}]

    until(lambda: bool(worker(site, "train")), 30, "the worker")
    first = worker(site, "train")
    first.kill()
    until(lambda: "The worker of train has ended" in site.log_of("serve"), 30, "the mending")
    run = site.start_run("retrain/retrain", {"bots": bots})
    ended = site.wait(run, 180)
    assert ended.state is not None
    assert ended.state.is_completed(), site.outcomes()

    served.send_signal(signal.SIGINT)
    assert served.wait(timeout=60) == 0
    assert ours(site) == []
    with sqlite3.connect(site.folder / "home" / "prefect.db") as database:
        paused = database.execute("select name, paused from deployment").fetchall()
    assert {name for name, _ in paused} >= {"nightly", "retrain", "account", "backfill"}
    assert not any(flag for _, flag in paused)


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
