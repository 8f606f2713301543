"""The runbook's commands that `make containers` runs, looked at without it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.infra.containers.checkout import blocks

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "infra" / "README.md").read_text()
BLOCKS = blocks(TEXT)


def test_every_marked_block_is_found_and_run() -> None:
    assert len(BLOCKS) == TEXT.count("<!-- run: "), "a name is given twice, or a fence is missing"
    steps = (ROOT / "tests" / "infra" / "containers" / "steps.py").read_text()
    assert set(re.findall(r'trial\.book\("([a-z0-9-]+)"', steps)) == set(BLOCKS)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_a_script(name: str) -> None:
    done = subprocess.run(
        ["sh", "-n"], input=BLOCKS[name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_in_it_is_untried() -> None:
    assert "○" not in TEXT
