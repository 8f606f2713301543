"""Nights whose own run is killed, alone or with all that it has started."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.chaos.striking import (
    LONG,
    SHORT,
    SILENCE,
    assert_all_released_once,
    assert_no_slot_is_held,
    process_of,
    registry,
    told,
    wait_for_training,
)
from tests.servers.prefect_site import Site, running_site, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]
NIGHT = "2026-01-31"
NAMES = ["kate", "liam", "mona", "nils"]


@pytest.fixture
def silence() -> list[str]:
    return ["--silence", str(SILENCE)]


@pytest.fixture
def site(tmp_path: Path, silence: list[str]) -> Iterator[Site]:
    more = {"CHECKPOINT_SECONDS": "2", "GATE_REPEATS": "1"}
    with running_site(tmp_path / "site", STORAGE=str(tmp_path / "storage"), **more) as running:
        running.deploy(*silence)
        running.start_worker("planner", "cpu")
        running.start_worker("trainer", "train")
        yield running


def storage(site: Site) -> Path:
    return Path(site.settings["STORAGE"])


def start_night(site: Site, base: Path, training: dict[str, Any]) -> UUID:
    """A night of four bots in two runs."""
    path = registry(site, base, NAMES, training)
    return site.start_run(
        "nightly/nightly", {"night": NIGHT, "registry": str(path), "chunk": 2}
    )  # fmt: skip


def runs_of_chunks(site: Site) -> dict[str, int]:
    """The runs that were asked for, by key, with how often each was tried."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    with site.client() as client:
        found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])))
    return {str(run.idempotency_key): run.run_count for run in found}


def summary(site: Site) -> dict[str, Any]:
    path = storage(site) / "nights" / NIGHT / "summary.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def assert_the_night_ended_well(site: Site, night: UUID, tries: int) -> None:
    ended = site.wait(night, 900)
    assert ended.state is not None
    assert ended.state.is_completed(), (ended.state, site.outcomes())
    assert ended.run_count == tries
    assert summary(site)["counts"] == {"released": len(NAMES)}
    assert_all_released_once(site, NAMES)
    assert_no_slot_is_held(site)


def is_planned(site: Site) -> bool:
    return (storage(site) / "nights" / NIGHT / "plan.json").exists()


def is_trained(site: Site) -> bool:
    return len(site.outcomes()) == len(NAMES)


@pytest.mark.parametrize(
    ("moment", "come"),
    [("as soon as it has its plan", is_planned), ("when all its bots are done", is_trained)],
)
def test_a_killed_nightly_is_tried_again_and_does_nothing_twice(
    site: Site, tiny_base: Path, moment: str, come: Callable[[Site], bool]
) -> None:
    night = start_night(site, tiny_base, SHORT)
    until(lambda: come(site), 240, moment)
    process = process_of(night)
    assert process is not None
    process.kill()
    struck = time.monotonic()
    assert not (storage(site) / "nights" / NIGHT / "summary.json").exists()
    assert_the_night_ended_well(site, night, tries=2)
    keys = {f"night-{NIGHT}:{number}": 1 for number in range(2)}
    assert runs_of_chunks(site) == keys
    told(f"SIGKILL of nightly alone, {moment}", "tried again", time.monotonic() - struck)


def test_a_nightly_that_dies_with_its_runs_and_all_workers(site: Site, tiny_base: Path) -> None:
    night = start_night(site, tiny_base, LONG)
    wait_for_training(site, "kate")
    site.kill("planner")
    site.kill("trainer")
    assert process_of(night) is None
    struck = time.monotonic()
    site.start_worker("planner", "cpu")
    site.start_worker("trainer", "train")
    assert_the_night_ended_well(site, night, tries=2)
    assert set(runs_of_chunks(site)) == {f"night-{NIGHT}:{number}" for number in range(2)}
    told("SIGKILL of all workers, nightly and its runs", "all tried again",
         time.monotonic() - struck)  # fmt: skip


@pytest.mark.parametrize("silence", [[]])  # the default: with less, runs that are well would end
def test_a_server_that_is_away_while_a_night_waits_for_its_runs(
    site: Site, tiny_base: Path
) -> None:
    night = start_night(site, tiny_base, LONG)
    wait_for_training(site, "kate")
    site.kill("server")
    time.sleep(90)
    struck = time.monotonic()
    site.start_server()
    assert_the_night_ended_well(site, night, tries=1)
    assert runs_of_chunks(site).keys() == {f"night-{NIGHT}:{number}" for number in range(2)}
    told("Prefect server dead for 90 s, nightly waiting", "all went on", time.monotonic() - struck)
