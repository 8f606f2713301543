"""What a year of nights leaves on the disk, and that it stops growing.

Everything that is kept for a while is kept for 90 days at most, so from then on each month must be
like the one before, but for the posts themselves.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.clock import make_clock
from tests.chaos.year import BOTS, MONTH
from tests.tiny import make_tiny_base

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make the clock with"),
]
ROOT = Path(__file__).parents[2]
NIGHTS, KEPT_DAYS = 365, 90
SCALE = 1000 // BOTS
# Of a base that operators have, SmolLM2 135M: its weights, once for a checkpoint and its release,
# and its tokenizer, which each of the two has.
WEIGHTS, TOKENIZER = 269e6, 3.5e6


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HUGGING"))}
    settings = {
        "STORAGE": tmp_path / "storage",
        "CACHE": tmp_path / "cache",
        "AVATARS": "off",
        "GATE_REPEATS": 1,  # tiny models repeat themselves
        "GATE_TOLERANCE": 10,
        "MIN_CHARACTERS": 500,
    }
    return {
        **inherited,
        **{f"HUGGINGTWEETS_{name}": str(value) for name, value in settings.items()},
        **make_clock(tmp_path).environment,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def test_a_year_of_nights_fills_no_disk(environment: dict[str, str], tmp_path: Path) -> None:
    base = tmp_path / "base"
    make_tiny_base(base, positions=16)
    command = [sys.executable, "-m", "tests.chaos.year", tmp_path, base, str(NIGHTS)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    months = [json.loads(line) for line in done.stdout.splitlines()]
    show(months)
    assert months[-1]["night"] == NIGHTS
    flat = [month for month in months if month["night"] > KEPT_DAYS + MONTH]
    assert len(flat) >= 8
    for what in ("files", "weights", "weight_files", "home_files", "home", "database"):
        assert_flat(flat, what)
    assert_flat([{"rest": each["storage"] - each["posts"]} for each in flat], "rest")
    for table in ("flow_run", "log", "artifact", "events"):
        assert all(each["rows"][table] for each in flat), f"{table} is empty"
        assert_flat([each["rows"] for each in flat], table)
    assert len({month["weight_files"] for month in flat}) == 1, "three releases of each bot"


def assert_flat(months: list[dict[str, Any]], what: str) -> None:
    """No month has a tenth more than the first of them; corpora grow a little with the posts."""
    first, most = months[0][what], max(month[what] for month in months)
    assert most <= 1.1 * first, f"{what} grew from {first} to {most}"


def show(months: list[dict[str, Any]]) -> None:
    """A row a month, and what the last one means for 1,000 bots."""
    print("\nCHAOS | night | releases | files | storage MB | posts MB | Prefect's database MB |"
          " its other files | runs | artifacts | after s")  # fmt: skip
    for month in months:
        megabytes = [month[name] / 1e6 for name in ("storage", "posts", "database")]
        row = [month["night"], month["released"], month["files"], *(f"{n:.1f}" for n in megabytes),
               month["home_files"], month["rows"]["flow_run"], month["rows"]["artifact"],
               month["seconds"]]  # fmt: skip
        print("CHAOS |", " | ".join(map(str, row)))
    last = months[-1]
    own = (last["storage"] - last["weights"] - last["posts"]) * SCALE / 1e9
    models = last["weight_files"] * SCALE * (WEIGHTS + 2 * TOKENIZER) / 1e9
    print(f"CHAOS | 1,000 bots | weights and tokenizers of a base of 135 M {models:,.0f} GB |"
          f" all else {own:.1f} GB | {last['files'] * SCALE:,} files | Prefect's database"
          f" {last['database'] * SCALE / 1e9:.1f} GB | its other files"
          f" {last['home_files'] * SCALE:,}, {last['home'] * SCALE / 1e9:.2f} GB")  # fmt: skip
