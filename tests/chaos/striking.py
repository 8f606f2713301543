"""What the tests of chaos share: where to strike, and how to see that all is well again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import yaml

from tests.sample_posts import write_table
from tests.servers.prefect_site import Site, until

# Trained for about half a minute with the tiny base, so that there is a middle to strike in.
LONG = {"epochs": 300, "evaluations": 1, "patience": 1000, "learning_rate": 1e-5}
SHORT = {"epochs": 1}
SILENCE = 60  # seconds without a heartbeat; operators have the default, which is longer
GOOD = ("released", "unchanged")


def told(fault: str, seen: str, seconds: float) -> None:
    """A row of the table of chaos."""
    print(f"\nCHAOS | {fault} | {seen} | well again after {seconds:.0f} s")


def registry(site: Site, base: Path, names: list[str], training: dict[str, Any]) -> Path:
    """A registry of bots that can be trained, each with a table of its own."""
    bots = [
        {
            "handles": [name],
            "source": str(write_table(site.folder / f"{name}.csv", posts=200, seed=seed)),
            "training": {**training, "precision": "fp32", "seed": seed},
        }
        for seed, name in enumerate(names)
    ]
    path = site.folder / "bots.yaml"
    path.write_text(yaml.safe_dump({"defaults": {"base": str(base)}, "bots": bots}))
    return path


def process_of(run: UUID) -> psutil.Process | None:
    """The process that executes a flow run now."""
    return next(iter(processes_of(run)), None)


def processes_of(run: UUID) -> list[psutil.Process]:
    """The processes that execute a flow run now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_for_training(site: Site, name: str) -> None:
    """Wait until a bot is in the middle of its training."""
    folder = Path(site.settings["STORAGE"]) / "corpora" / name
    until(lambda: any(folder.glob("*.parquet")), 120, f"the corpus of @{name}")
    time.sleep(6)
    assert name not in site.outcomes(), f"@{name} was trained too soon: {site.outcomes()}"


def assert_all_released_once(site: Site, names: list[str]) -> None:
    """Each bot ended well, and was published once."""
    outcomes = site.outcomes()
    for name in names:
        assert outcomes[name]["status"] in GOOD, outcomes[name]
        folder = Path(site.settings["STORAGE"]) / "releases" / name
        revisions = [
            path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()
        ]  # fmt: skip
        assert len(revisions) == 1, f"@{name} was published {len(revisions)} times"


def assert_no_slot_is_held(site: Site) -> None:
    """No slot stays held for longer than two minutes."""
    until(lambda: site.held_slots() == {}, 120, "the end of all slots")
