"""Work that is killed a hundred times at random moments, in one process tree.

make chaos
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]
TIMES = 100


@pytest.mark.parametrize(
    "program",
    [
        "tests.tasks.publishing.killed_publisher",
        "tests.tasks.removal.killed_removal",
    ],
)
def test_whatever_is_killed_nothing_is_lost_half_or_left(tmp_path: Path, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, tmp_path, str(TIMES)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"\nCHAOS | {program} | {done.stdout.strip()}")
