"""What the steps share: the checkout, Compose, the API, the bucket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.infra.containers.checkout import HERE, blocks

FILES = ("infra/compose.yaml", "infra/compose.cpu.yaml", str(HERE / "compose.trial.yaml"))
API = "http://127.0.0.1:4200/api"
# Whatever the state of the containers, somebody must wait for them.
PATIENCE = 900


class Failed(AssertionError):
    """What a step saw instead of what it should."""


@dataclass
class Trial:
    """One run: `folder` has its scratch files, `tree` is the checkout that it works in."""

    folder: Path
    tree: Path
    environment: dict[str, str] = field(default_factory=dict)
    blocks_run: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Compose reads its files as an operator has set it up."""
        self.environment = {
            **os.environ,
            "COMPOSE_FILE": ":".join(FILES),
            "COMPOSE_PROGRESS": "plain",
            **self.environment,
        }

    def run(self, *command: str, check: bool = True, given: str = "") -> str:
        """Run a command in the checkout; returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.tree,
            env=self.environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if check and done.returncode:
            raise Failed(f"{' '.join(command)[:300]}: {done.returncode}\n{done.stdout[-4000:]}")
        return done.stdout

    def code(self, *command: str) -> tuple[int, str]:
        """Run a command that may fail; returns its exit code and what it printed."""
        done = subprocess.run(
            command,
            cwd=self.tree,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout

    def book(self, name: str, **variables: str) -> str:
        """Run a block of the runbook as it stands there."""
        text = blocks((self.tree / "infra" / "README.md").read_text())
        if name not in text:
            raise Failed(f"the runbook has no block `{name}`")
        self.blocks_run.add(name)
        self.environment |= variables
        return self.run("sh", "-eu", "-c", text[name])

    def compose(self, *words: str, check: bool = True) -> str:
        """`docker compose …`."""
        return self.run("docker", "compose", *words, check=check)

    def inside(self, service: str, *command: str) -> str:
        """What a command prints in a service's container."""
        return self.compose("exec", "-T", service, *command)

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What `docker inspect` says of a service's containers, ended ones included."""
        found = self.compose("ps", "--all", "--quiet", service).split()
        return json.loads(self.run("docker", "inspect", *found)) if found else []

    def kill(self, container: dict[str, Any]) -> None:
        """SIGKILL a container's first process, as the kernel does when memory is short."""
        os.kill(int(container["State"]["Pid"]), signal.SIGKILL)

    def login(self) -> tuple[str, str]:
        """The API's login."""
        name, _, word = (self.tree / "infra/secrets/api_login").read_text().partition(":")
        return name, word

    def ask(self, path: str, **body: Any) -> Any:
        """What the API answers to a POST."""
        answer = httpx.post(f"{API}{path}", json=body, auth=self.login(), timeout=30)
        return answer.raise_for_status().json()

    def start_run(self, deployment: str, **parameters: Any) -> str:
        """Start a deployment; returns the run's id."""
        url = f"{API}/deployments/name/{deployment}/{deployment}"
        found = httpx.get(url, auth=self.login(), timeout=30).raise_for_status().json()
        made = self.ask(f"/deployments/{found['id']}/create_flow_run", parameters=parameters)
        return str(made["id"])

    def state(self, run: str) -> str:
        """The name of a run's state."""
        answer = httpx.get(f"{API}/flow_runs/{run}", auth=self.login(), timeout=30)
        return str((answer.raise_for_status().json()["state"] or {}).get("name"))

    def releases(self) -> dict[str, list[str]]:
        """The verified releases in the bucket, by bot."""
        return dict(json.loads(self.inside("web", "python", "-c", LIST_RELEASES)))

    def training_on(self, machine: str) -> bool:
        """Whether a machine holds a training place."""
        body = {"limit": 200}
        found = self.ask("/v2/concurrency_limits/filter", **body)
        return any(each["name"] == f"train-on-{machine}" and each["active_slots"] for each in found)


LIST_RELEASES = """
import json
from tasks.core.names import Bot
from tasks.publishing.releases import latest_release, verify_release
from tasks.storage import storage_root
storage = storage_root()
found = {}
for folder in storage.folders("releases"):
    name = folder.rpartition("/")[2]
    found[name] = [each.rpartition("/")[2] for each in storage.folders(folder)]
    latest = latest_release(storage, Bot.parse(name))
    assert latest is not None and verify_release(storage, latest), name
print(json.dumps(found))
"""


def wait(what: str, ready: Callable[[], object], seconds: float, pause: float = 1.0) -> float:
    """Wait until something is true; returns the seconds it took. Raises Failed."""
    start = time.monotonic()
    trouble: object = ""
    while time.monotonic() < start + seconds:
        try:
            if ready():
                return time.monotonic() - start
        except httpx.HTTPError as error:
            trouble = error
        time.sleep(pause)
    raise Failed(f"{what}: not within {seconds:.0f} s {trouble}")


def sure(condition: object, seen: object) -> None:
    """Raise Failed with what was seen, unless the condition holds."""
    if not condition:
        raise Failed(str(seen)[:4000])
