"""A night over two workers, each with a home of its own, of which one is lost in the middle."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.publishing.releases import latest_release, verify_release
from tasks.storage import Storage, open_storage
from tests.infra.machines import (
    BIN,
    LOGIN,
    PREFECT,
    Machines,
    kill_family,
    missing,
    running_machines,
)
from tests.sample_posts import write_table
from tests.servers.s3 import KEYS, running_s3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(420),
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is here"),
]
HUGGINGTWEETS = str(BIN / "huggingtweets")
BOTS = [f"bot{number}" for number in range(10)]
NIGHT = "2026-01-31"


@pytest.fixture
def machines(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machines]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with running_s3() as s3, running_machines(tmp_path) as machines:
        machines.environment |= {
            **KEYS,
            "PREFECT_API_URL": machines.api(0),
            "HUGGINGTWEETS_STORAGE": s3.url(),
            "HUGGINGTWEETS_BASE": str(tiny_base),
            "HUGGINGTWEETS_CACHE": str(settings().cache),
            "HUGGINGTWEETS_TRACKING": "false",
        }
        yield machines


def registry(folder: Path) -> Path:
    """Ten bots, each with a table of its own."""
    bots = [
        {
            "handles": [name],
            "source": str(write_table(folder / f"{name}.csv", posts=200, seed=number)),
        }
        for number, name in enumerate(BOTS)
    ]
    path = folder / "bots.yaml"
    path.write_text(yaml.safe_dump({"defaults": {"training": {"epochs": 1}}, "bots": bots}))
    return path


def apply_and_deploy(machines: Machines) -> None:
    for _ in range(2):
        applied = machines.run(HUGGINGTWEETS, "infra", "apply", "--silence", "65", "--json")
        assert applied.returncode == 0, applied.stderr
    assert {each["change"] for each in json.loads(applied.stdout)} == {"unchanged"}
    deploy = ("deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    deployed = machines.run(PREFECT, "--no-prompt", *deploy)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr


def start_worker(machines: Machines, number: int) -> subprocess.Popen[bytes]:
    """A worker that knows only one of the API servers."""
    command = ("worker", "start", "--pool", "train", "--limit", "1", "--name", f"worker-{number}")
    return machines.start(
        f"worker-{number}", PREFECT, *command, PREFECT_API_URL=machines.api(number)
    )


def released(storage: Storage) -> dict[str, list[str]]:
    """The releases of each bot that has some."""
    found = {name: storage.folders(f"releases/{name}") for name in BOTS}
    return {name: releases for name, releases in found.items() if releases}


def test_a_night_survives_the_loss_of_a_worker(machines: Machines, tmp_path: Path) -> None:
    apply_and_deploy(machines)
    workers = [start_worker(machines, number) for number in range(2)]
    storage = open_storage(machines.environment["HUGGINGTWEETS_STORAGE"])
    nightly = ("nightly", "--night", NIGHT, "--on-workers", "--chunk", "5", "--json")
    night = machines.start("night", HUGGINGTWEETS, *nightly, "--registry", str(registry(tmp_path)))
    lost = lose_one(machines, workers, storage, night)
    assert night.wait(240) == 0, machines.logs()
    assert "AwaitingRetry" in states_of(machines, lost), "the lost run was taken up again"

    releases = released(storage)
    assert sorted(releases) == BOTS, machines.logs()
    twice = {name: storage.files(f"releases/{name}") for name in BOTS if len(releases[name]) > 1}
    assert not twice, "nothing is released twice"
    for name in BOTS:
        release = latest_release(storage, Bot.parse(name))
        assert release is not None
        assert verify_release(storage, release)
    again = machines.run(HUGGINGTWEETS, *nightly, "--registry", str(tmp_path / "bots.yaml"))
    assert again.returncode == 0, again.stderr
    assert len(json.loads(again.stdout)["bots"]) == len(BOTS)
    assert released(storage) == releases, "started again, the night does nothing twice"


def lose_one(
    machines: Machines,
    workers: list[subprocess.Popen[bytes]],
    storage: Storage,
    night: subprocess.Popen[bytes],
) -> int:
    """Kill the worker that has released a bot of its five, while others are left; which five."""
    end = time.monotonic() + 150
    while time.monotonic() < end and night.poll() is None:
        done = set(released(storage))
        for number, chunk in enumerate((BOTS[:5], BOTS[5:])):
            if done & set(chunk) and not done >= set(chunk):
                kill_family(workers[worker_of(machines, number)])
                return number
        time.sleep(0.1)
    raise AssertionError(f"no worker was in the middle of its bots\n{machines.logs()}")


def run_of(machines: Machines, chunk: int) -> str:
    key = {"idempotency_key": {"any_": [f"night-{NIGHT}:{chunk}"]}}
    (run,) = machines.ask("/flow_runs/filter", flow_runs=key)
    return str(run["id"])


def states_of(machines: Machines, chunk: int) -> list[str]:
    """The states that the run of a chunk went through."""
    states = httpx.get(
        f"{machines.api(1)}/flow_run_states/",
        params={"flow_run_id": run_of(machines, chunk)},
        auth=tuple(LOGIN.split(":")),
    )
    return [state["name"] for state in states.json()]


def worker_of(machines: Machines, chunk: int) -> int:
    """Which worker has the run of a chunk: its log names it."""
    logs = [(machines.folder / f"worker-{number}.log").read_text() for number in range(2)]
    return next(number for number, log in enumerate(logs) if run_of(machines, chunk) in log)
