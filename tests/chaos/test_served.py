"""A site of `huggingtweets serve` whose server forgets a crash, as happens on SQLite."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from tasks.orchestration.crashed_runs import AUTOMATION
from tests.chaos.striking import (
    LONG,
    assert_all_released_once,
    assert_no_slot_is_held,
    process_of,
    told,
    wait_for_training,
)
from tests.sample_posts import write_table
from tests.servers.prefect_site import BIN, ROOT, Site, children_of, free_port, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site that `serve` runs."""
    more = {"CHECKPOINT_SECONDS": "2", "GATE_REPEATS": "1"}
    site = Site(tmp_path, {"STORAGE": str(tmp_path / "storage"), **more}, port=free_port())
    with (tmp_path / "serve.log").open("wb") as log:
        served = subprocess.Popen(
            [str(BIN / "huggingtweets"), "serve", "--port", str(site.port), "--web-port", "0"],
            cwd=ROOT, env=site.environment("home"), stdout=log, stderr=log,
        )  # fmt: skip
    until(lambda: "Ready:" in site.log_of("serve"), 180, "the word Ready")
    yield site
    below = [psutil.Process(pid) for pid in children_of(served.pid)]
    served.send_signal(signal.SIGINT)
    assert served.wait(timeout=60) == 0
    assert psutil.wait_procs(below, timeout=5)[1] == []


def deafen(site: Site) -> None:
    """Make the automation that tries crashed runs again hear nothing, as if events were lost."""
    deaf = EventTrigger(
        posture=Posture.Reactive, expect={"nothing"}, threshold=1, within=timedelta(0)
    )
    with site.client() as client:
        (found,) = client.read_automations_by_name(AUTOMATION)
        client.update_automation(
            found.id, AutomationCore(name=AUTOMATION, trigger=deaf, actions=[DoNothing()])
        )


def test_a_run_started_by_hand_is_taken_up_though_its_crash_was_forgotten(
    site: Site, tiny_base: Path
) -> None:
    deafen(site)
    table = write_table(site.folder / "olga.csv", posts=200)
    options: dict[str, Any] = {"base": str(tiny_base), "training": {**LONG, "precision": "fp32"}}
    bots = [{"name": "olga", "sources": {"olga": str(table)}, "options": options}]
    run = site.start_run("retrain/retrain", {"bots": bots})
    wait_for_training(site, "olga")
    process = process_of(run)
    assert process is not None
    process.kill()
    struck = time.monotonic()
    ended = site.wait(run, 300)
    assert ended.state is not None
    assert ended.state.is_completed(), site.outcomes()
    assert ended.run_count == 2
    assert "crashed, and the server missed it" in site.log_of("serve")
    assert_all_released_once(site, ["olga"])
    assert_no_slot_is_held(site)
    told("SIGKILL of a run by hand, its crash event lost", "taken up by serve",
         time.monotonic() - struck)  # fmt: skip
