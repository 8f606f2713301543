"""Starts the containers for real, once through their life: `make containers`.

    python -m tests.infra.containers [--folder FOLDER] [--only STEP …]

It builds the image, starts compose.yaml with compose.cpu.yaml, and does what the runbook says with
the runbook's own commands. All is torn down at the end, also when it fails. Exit codes: 0; 1 a step
failed; 3 this machine cannot run containers. With a FOLDER, the images are kept there.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.infra.containers import images
from tests.infra.containers.checkout import blocks, copy_tree
from tests.infra.containers.engine import INSTALL, CannotRun, running_engine
from tests.infra.containers.steps import STEPS, Step
from tests.infra.containers.trial import Trial


@dataclass
class Row:
    """What came of a step."""

    name: str
    seconds: float
    seen: str


def main() -> int:
    """Run the steps; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.infra.containers")
    parser.add_argument("--folder", type=Path, help="keeps the engine's images for the next time")
    parser.add_argument("--only", nargs="*", help="these steps only")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the tear-down
    with ExitStack() as stack:
        folder = given.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="containers-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            stack.enter_context(running_engine(folder))
        except CannotRun as reason:
            print(INSTALL.format(reason=reason), file=sys.stderr)
            return 3
        return run_steps(folder.resolve(), given.only)


def run_steps(folder: Path, only: list[str] | None) -> int:
    """Run the steps in a copy of the checkout, print the table, tear all down."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(tree)
    trial = Trial(folder, tree, {"DOCKER_BUILDKIT": "0"})
    steps = [step for step in STEPS if not only or step.__name__ in only]
    rows: list[Row] = []
    try:
        for step in steps:
            rows.append(run_step(trial, step))
            if rows[-1].seen.startswith("FAILED"):
                break
    finally:
        began = time.monotonic()
        trial.code("docker", "compose", "down", "--volumes", "--timeout", "5", "--remove-orphans")
        images.withdraw()
        rows.append(Row("tear_down", time.monotonic() - began, ""))
        print("\n" + "\n".join(f"| {r.name} | {r.seconds:.0f} | {r.seen} |" for r in rows))
    if any(row.seen.startswith("FAILED") for row in rows):
        return 1
    left = set(blocks((tree / "infra" / "README.md").read_text())) - trial.blocks_run
    if left and not only:
        print(f"not run, though the runbook marks them: {', '.join(sorted(left))}")
        return 1
    return 0


def run_step(trial: Trial, step: Step) -> Row:
    """Run a step; what it raises is its row, and printed."""
    print(f"{time.strftime('%H:%M:%S')} {step.__name__}", flush=True)
    began = time.monotonic()
    try:
        seen = step(trial)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this step's row
        print(f"{type(error).__name__}: {error}", flush=True)
        print(trial.compose("ps", "--all", check=False)[-3000:], flush=True)
        seen = f"FAILED: {str(error).splitlines()[0][:150] if str(error) else type(error).__name__}"
    row = Row(step.__name__, time.monotonic() - began, seen)
    print(f"    {row.seconds:.0f} s: {row.seen}", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
