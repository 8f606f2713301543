"""Nights that go wrong, with real processes and real signals; afterwards all is well by itself.

    make chaos

Each test prints what was done, what was seen, and after how long all was well again.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from prefect.client.schemas.filters import FlowRunFilter, LogFilter, LogFilterFlowRunId
from prefect.states import Crashed

from tasks.core.names import Bot
from tasks.registry.attempts import attempts_of
from tasks.registry.state import load_state
from tasks.storage import open_storage
from tests.chaos.striking import (
    LONG,
    SHORT,
    SILENCE,
    assert_all_released_once,
    assert_no_slot_is_held,
    process_of,
    processes_of,
    told,
    wait_for_training,
)
from tests.sample_posts import write_table
from tests.servers.prefect_site import BIN, ROOT, Site, running_site, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]
BEATS = 4


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    more = {"CHECKPOINT_SECONDS": "2", "GATE_REPEATS": "1"}
    with running_site(tmp_path / "site", STORAGE=str(tmp_path / "storage"), **more) as running:
        running.deploy("--silence", str(SILENCE))
        running.start_worker("first", "train")
        yield running


def bots(site: Site, base: Path, names: list[str], training: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a run of `retrain`."""
    made = [
        {
            "name": name,
            "sources": {name: str(write_table(site.folder / f"{name}.csv", posts=200, seed=seed))},
            "options": {
                "base": str(base),
                "training": {**training, "precision": "fp32", "seed": seed},
            },
        }
        for seed, name in enumerate(names)
    ]
    return {"bots": made}


def strike_in_training(site: Site, run: UUID, name: str) -> psutil.Process:
    """Wait until a bot is in the middle of its training; returns the process that trains."""
    wait_for_training(site, name)
    process = process_of(run)
    assert process is not None
    return process


def test_a_killed_training_goes_on(site: Site, tiny_base: Path) -> None:
    names = ["anna", "bert", "cleo"]
    run = site.start_run("retrain/retrain", bots(site, tiny_base, names, LONG))
    process = strike_in_training(site, run, "anna")
    process.kill()
    struck = time.monotonic()
    ended = site.wait(run, 600)
    seconds = time.monotonic() - struck
    assert ended.state is not None
    assert ended.state.is_completed(), site.outcomes()
    assert_all_released_once(site, names)
    assert_no_slot_is_held(site)
    told("SIGKILL of the training process", f"run tried {ended.run_count} times", seconds)


def test_a_killed_worker_takes_its_flow_along_and_another_goes_on(
    site: Site, tiny_base: Path
) -> None:
    names = ["dora", "emil"]
    run = site.start_run("retrain/retrain", bots(site, tiny_base, names, LONG))
    strike_in_training(site, run, "dora")
    site.kill("first")
    assert process_of(run) is None
    struck = time.monotonic()
    site.start_worker("second", "train")
    ended = site.wait(run, 900)
    seconds = time.monotonic() - struck
    assert ended.state is not None
    assert ended.state.is_completed(), site.outcomes()
    assert_all_released_once(site, names)
    assert_no_slot_is_held(site)
    told("SIGKILL of the worker with its flow", "silent run ended, tried again", seconds)


def test_a_server_that_is_away_for_a_minute_is_survived(site: Site, tiny_base: Path) -> None:
    names = ["fred", "gina"]
    run = site.start_run("retrain/retrain", bots(site, tiny_base, names, LONG))
    strike_in_training(site, run, "fred")
    site.kill("server")
    time.sleep(60)
    struck = time.monotonic()
    site.start_server()
    ended = site.wait(run, 900)
    seconds = time.monotonic() - struck
    assert ended.state is not None
    assert ended.state.is_completed(), site.outcomes()
    assert_all_released_once(site, names)
    assert_no_slot_is_held(site)
    told("Prefect server dead for 60 s", f"run tried {ended.run_count} times", seconds)


def test_a_poison_account_is_parked_and_the_others_finish(site: Site, tiny_base: Path) -> None:
    names = ["hugo", "iris", "poison", "jack"]
    run = site.start_run("retrain/retrain", bots(site, tiny_base, names, SHORT))
    storage, poison = open_storage(site.settings["STORAGE"]), Bot.parse("poison")
    begun, kills = time.monotonic(), 0

    def ended() -> bool:
        nonlocal kills
        # What kills its process is played from outside, each time that it is this bot's turn.
        if attempts_of(storage, poison) == kills + 1 <= 3:
            process = process_of(run)
            if process is not None:
                process.kill()
                kills += 1
        state = site.flow_run(run).state
        return state is not None and (state.is_completed() or state.is_failed())

    until(ended, 900, "the end of the run")
    outcomes = site.outcomes()
    assert kills == 3
    assert "3 retrains in a row" in outcomes["poison"]["reason"]
    state = json.loads((Path(site.settings["STORAGE"]) / "states" / "poison.json").read_text())
    assert state["parked"]
    others = [name for name in names if name != "poison"]
    assert_all_released_once(site, others)
    assert_no_slot_is_held(site)
    told("an account that kills its process", "parked after 3 times", time.monotonic() - begun)


def test_a_training_that_is_terminated_is_interrupted_and_resumed(
    site: Site, tiny_base: Path
) -> None:
    """As a worker does with its runs when its machine is shut down."""
    storage, nora = open_storage(site.settings["STORAGE"]), Bot.parse("nora")
    run = site.start_run("retrain/retrain", bots(site, tiny_base, ["nora"], LONG))
    process = strike_in_training(site, run, "nora")
    until(lambda: "@nora training" in site.log_of("first"), 120, "the first steps")
    process.terminate()
    struck = time.monotonic()
    until(lambda: not process.is_running(), 15, "the end of the process")
    outcome = site.outcomes()["nora"]
    assert outcome["status"] == "interrupted", outcome
    assert "run it again to resume" in outcome["reason"]
    assert storage.folders("resume/nora"), "its state is stored"
    until(lambda: site.flow_run(run).run_count == 2, 120, "the second try")
    ended = site.wait(run, 600)
    assert ended.state is not None
    assert ended.state.is_completed(), site.outcomes()
    assert "resuming from step" in messages_of(site, run)
    assert attempts_of(storage, nora) == 0
    assert_all_released_once(site, ["nora"])
    assert_no_slot_is_held(site)
    told("SIGTERM of the training process", f"run tried {ended.run_count} times, resumed",
         time.monotonic() - struck)  # fmt: skip


def test_a_training_that_is_taken_for_crashed_goes_on_alone(site: Site, tiny_base: Path) -> None:
    """The server hears no heartbeat of a run that is well, and starts it again beside itself."""
    storage, otto = open_storage(site.settings["STORAGE"]), Bot.parse("otto")
    run = site.start_run("retrain/retrain", bots(site, tiny_base, ["otto"], LONG))
    first = strike_in_training(site, run, "otto")
    until(lambda: "@otto training" in site.log_of("first"), 120, "the first steps")
    struck = time.monotonic()
    with site.client() as client:
        client.set_flow_run_state(run, Crashed(message="No heartbeat: the process is gone"))
    second: list[psutil.Process] = []

    def is_started_again() -> bool:
        second[:] = [each for each in processes_of(run) if each.pid != first.pid]
        return bool(second)

    until(is_started_again, 120, "the second process")
    assert first.is_running(), "the first goes on"
    assert first in processes_of(run)
    until(lambda: not first.is_running(), 300, "the end of the first")
    until(lambda: not second[0].is_running(), 300, "the end of the second")
    ended = site.wait(run, 60)
    assert ended.state is not None
    assert ended.state.is_completed(), (ended.state, site.outcomes())
    assert_all_released_once(site, ["otto"])
    messages = messages_of(site, run)
    assert messages.count("same posts and settings as release") == 1, messages
    assert messages.count("training in ") == 1, "one of them has trained"
    assert attempts_of(storage, otto) == 0
    assert not load_state(storage, otto).parked
    assert_no_slot_is_held(site)
    told("a run that is well set to Crashed", "the second waited, and found the release",
         time.monotonic() - struck)  # fmt: skip


def messages_of(site: Site, run: UUID) -> str:
    """What a run and the runs below it have logged."""
    with site.client() as client:
        below = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(parent_flow_run_id={"any_": [run]})
        )
        runs = LogFilterFlowRunId(any_=[run, *(each.id for each in below)])
        logs = client.read_logs(LogFilter(flow_run_id=runs), limit=200)
    return "\n".join(each.message for each in logs)


def test_a_run_in_a_terminal_beats_in_time(site: Site, slow_base: Path) -> None:
    """Beside `serve`, whose automation would else take it for crashed."""
    table = write_table(site.folder / "pia.csv", posts=6_000)
    words = ["retrain", "pia", "--source", table, "--base", slow_base]
    command = [str(BIN / "huggingtweets"), *map(str, words)]
    with by_hand(site, command, site.folder):
        assert_it_beats(site, "a run in a terminal beside a server")


def test_a_run_of_a_worker_that_was_started_by_hand_beats_in_time(
    site: Site, tiny_base: Path
) -> None:
    """In the project's folder, with nothing of what `serve` and the image set."""
    site.kill("first")
    longer = {**LONG, "epochs": 900}
    command = [str(BIN / "prefect"), "worker", "start", "--pool", "train", "--type", "process"]
    with by_hand(site, command, ROOT):
        site.start_run("retrain/retrain", bots(site, tiny_base, ["pia"], longer))
        assert_it_beats(site, "a run of a worker that was started by hand")


@contextmanager
def by_hand(site: Site, command: list[str], folder: Path) -> Iterator[None]:
    """A process without the setting of heartbeats, which `serve` gives to its own."""
    own = site.environment("by-hand")
    del own["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    with psutil.Popen(command, cwd=folder, env=own, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            for each in [*process.children(recursive=True), process]:
                each.kill()


def assert_it_beats(site: Site, what: str) -> None:
    """Its heartbeats come in time for the automation that ends silent runs."""
    until(lambda: len(beats(site)) >= BEATS, 240, "heartbeats")
    longest = max(later - earlier for earlier, later in pairwise(beats(site)))
    assert longest < timedelta(seconds=40)
    told(what, f"a heartbeat every {longest.total_seconds():.0f} s", 0)


def beats(site: Site) -> list[datetime]:
    """When the runs of `retrain` have sent a heartbeat."""
    wanted = {"event": {"name": ["prefect.flow-run.heartbeat"]}}
    found = httpx.post(f"{site.url}/events/filter", json={"filter": wanted, "limit": 50}).json()
    return sorted(
        datetime.fromisoformat(event["occurred"])
        for event in found["events"]
        if event["resource"]["prefect.resource.name"].startswith("retrain pia")
    )
