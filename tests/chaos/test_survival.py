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

from tasks.core.names import Bot
from tasks.registry.attempts import attempts_of
from tasks.storage import open_storage
from tests.chaos.striking import (
    LONG,
    SHORT,
    SILENCE,
    assert_all_released_once,
    assert_no_slot_is_held,
    process_of,
    told,
    wait_for_training,
)
from tests.sample_posts import write_table
from tests.servers.prefect_site import Site, running_site, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]


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
