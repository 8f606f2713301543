"""A whole site for tests: a real Prefect server, its workers, and the flows deployed on it.

Every part is a process group of its own, which a test may kill. All of it lies in one folder.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.server.prefect_settings import PREFECT_SETTINGS, SERVER_COMMAND
from tests.servers.prefect_database import put_database

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = ROOT / "deployments" / "prefect.yaml"
BIN = Path(sys.executable).parent


@dataclass
class Site:
    """One server and its workers.

    url: of the server's API. settings: HUGGINGTWEETS_* of all processes, without the prefix.
    groups: the leaders of the process groups, by the name of the part.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    groups: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self, home: str) -> dict[str, str]:
        """What a process of the site sees; `home` keeps what Prefect writes of it apart."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        ours = {f"HUGGINGTWEETS_{name}": value for name, value in self.settings.items()}
        return {
            **own,
            "HUGGINGTWEETS_TRACKING": "false",
            **ours,
            **PREFECT_SETTINGS,
            "PREFECT_HOME": str(self.folder / home),
            "PREFECT_API_URL": self.url,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }

    def start_server(self) -> None:
        """Start the server, or start it again on the same database, and wait until it answers."""
        self.port = self.port or free_port()
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        if not (self.folder / "server" / "prefect.db").exists():
            put_database(self.folder / "server")
        self._start("server", [*SERVER_COMMAND, *address])
        until(self._answers, 90, "the Prefect server")

    def start_worker(self, name: str, pool: str) -> None:
        """Start a process worker of a pool, with a home of its own."""
        words = ["worker", "start", "--pool", pool, "--name", name, "--type", "process"]
        command = [str(BIN / "prefect"), *words, "--no-create-pool-if-not-found"]
        self._start(name, command, home=name)

    def deploy(self, *words_of_apply: str) -> None:
        """Make work pools, limits and automations, and deploy every flow."""
        self.run_command([str(BIN / "huggingtweets"), "infra", "apply", *words_of_apply])
        words = ["--no-prompt", "deploy", "--all", "--prefect-file", str(DEPLOYMENTS)]
        self.run_command([str(BIN / "prefect"), *words])

    def run_command(self, words: list[str]) -> str:
        """Run a command on this machine against the server; returns what it printed."""
        done = subprocess.run(
            words, cwd=ROOT, env=self.environment("operator"), capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        return done.stdout

    def kill(self, name: str) -> None:
        """SIGKILL for all processes of a part."""
        group = self.groups.pop(name)
        _kill_group(group.pid)
        group.wait()

    def stop(self) -> None:
        """End everything."""
        for name in list(self.groups):
            self.kill(name)

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client of this server."""
        with temporary_settings({PREFECT_API_URL: self.url}), get_client(sync_client=True) as ours:
            yield ours

    def start_run(self, deployment: str, parameters: dict[str, Any]) -> UUID:
        """Ask for a run of a deployment, as the UI does."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            return client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def flow_run(self, run: UUID) -> FlowRun:
        """A run as it is now."""
        with self.client() as client:
            return client.read_flow_run(run)

    def wait(self, run: UUID, seconds: float) -> FlowRun:
        """The run once it has ended for good: what is going to be retried has not."""
        found: list[FlowRun] = []

        def ended() -> bool:
            found[:] = [self.flow_run(run)]
            state = found[0].state
            return state is not None and (state.is_completed() or state.is_failed())

        until(ended, seconds, f"the end of run {run}")
        return found[0]

    def held_slots(self) -> dict[str, int]:
        """The slots that are held now, by the name of their limit; rates left out."""
        with self.client() as client:
            limits = client.read_global_concurrency_limits(limit=200, offset=0)
        return {
            limit.name: limit.active_slots
            for limit in limits
            if limit.active_slots and not limit.slot_decay_per_second
        }

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """The last outcome of every bot, by name."""
        folder = Path(self.settings["STORAGE"]) / "outcomes"
        found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        return {outcome["bot"]: outcome for outcome in found}

    def log_of(self, name: str) -> str:
        """What a part has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, command: list[str], home: str = "server") -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.groups[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(home),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running_site(folder: Path, **settings: str) -> Iterator[Site]:
    """A server that is up, in a folder of its own; everything is killed when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(folder, settings)
    try:
        site.start_server()
        yield site
    finally:
        site.stop()


def until(happened: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for something to be true; returns how long it took, in seconds."""
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < seconds, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.25)
    return time.monotonic() - begun


def children_of(pid: int) -> list[int]:
    """The processes below a process, on Linux."""
    found = [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children")
             for word in path.read_text().split()]  # fmt: skip
    return [each for child in found for each in (child, *children_of(child))]


def _kill_group(pid: int) -> None:
    # A worker starts each flow in a group of its own, so the group is not all of it.
    for each in [*children_of(pid), pid]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it went by itself


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
