"""Nights that go wrong, with real processes and real signals; afterwards all is well by itself.

    make chaos

Each test prints what was done, what was seen, and after how long all was well again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest

from tests.sample_posts import write_table
from tests.servers.prefect_site import Site, running_site, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]
# Trained for about half a minute with the tiny base, so that there is a middle to strike in.
LONG = {"epochs": 300, "evaluations": 1, "patience": 1000, "learning_rate": 1e-5}
SHORT = {"epochs": 1}
SILENCE = 60  # seconds without a heartbeat; operators have the default, which is longer


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


def process_of(run: UUID) -> psutil.Process | None:
    """The process that executes a flow run now."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                return process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return None


def strike_in_training(site: Site, run: UUID, name: str) -> psutil.Process:
    """Wait until a bot is in the middle of its training; returns the process that trains."""
    folder = Path(site.settings["STORAGE"]) / "corpora" / name
    until(lambda: any(folder.glob("*.parquet")), 120, f"the corpus of @{name}")
    time.sleep(6)
    process = process_of(run)
    assert process is not None, f"@{name} was trained too soon: {site.outcomes()}"
    assert name not in site.outcomes()
    return process


def told(fault: str, seen: str, seconds: float) -> None:
    print(f"\nCHAOS | {fault} | {seen} | well again after {seconds:.0f} s")


def assert_all_released_once(site: Site, names: list[str]) -> None:
    outcomes = site.outcomes()
    for name in names:
        assert outcomes[name]["status"] in ("released", "unchanged"), outcomes[name]
        revisions = [
            path for path in (Path(site.settings["STORAGE"]) / "releases" / name).iterdir()
            if path.is_dir() and not path.is_symlink()
        ]  # fmt: skip
        assert len(revisions) == 1, f"@{name} was published {len(revisions)} times"


def assert_no_slot_is_held(site: Site) -> None:
    until(lambda: site.held_slots() == {}, 120, "the end of all slots")


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
    mark = Path(site.settings["STORAGE"]) / "attempts" / "poison.json"
    begun, kills = time.monotonic(), 0

    def ended() -> bool:
        nonlocal kills
        # What kills its process is played from outside, each time that it is this bot's turn.
        if mark.exists() and json.loads(mark.read_text())["begun"] == kills + 1 <= 3:
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
