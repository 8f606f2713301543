"""Checks on a GPU what the tests can only check with stand-ins, and measures it.

Four minutes on an H100.

    python -m tests.benchmarks.gpu [--only NAME …] [--dry]

Needs this checkout and `pip install torch transformers peft annotated-types` with a GPU build of
torch, of any recent versions. Models have random weights in the shapes of SmolLM2-135M and GPT-2,
so nothing is downloaded. Each check runs in a process of its own: one that breaks the GPU breaks no
other.
--dry runs what can be run without a GPU, on tiny models: it shows that the script works, no more.

Exits 0 if all passed, 1 if one did not, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.gpu_bench import ROOT, Bench, Failed
from tests.benchmarks.gpu_checks import CHECKS, Check

# Of its planned seconds, a check may take so many times as much.
PATIENCE = 4
SLOW_START = 60  # seconds to load torch from a cold disk
_PASSED, _FAILED = "pass", "FAIL"


def main(arguments: list[str]) -> int:
    """Run the checks; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.answer:  # the process of one check
        result = run(_chosen(asked.only)[0], Bench(asked.folder, dry=asked.dry))
        asked.answer.write_text(json.dumps(result))
        return 0
    if not asked.dry and (reason := missing_gpu()):
        print(_lines(f"{reason}: nothing was checked. --dry tries the script itself."))
        return 2
    failed = 0
    print(f"{'':4}  {'s':>4}  check", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for check in _chosen(asked.only):
            begun = time.monotonic()
            if asked.dry:
                result, measured = run(check, Bench(Path(folder), dry=True))
            else:
                result, measured = in_a_process(check, Path(folder))
            seconds = time.monotonic() - begun
            print(_lines(f"{result}  {seconds:4.0f}  {check.name}: {check.asked}"), flush=True)
            for line in measured.splitlines():
                print(_lines(f"{'':12}{line}"), flush=True)
            failed += result == _FAILED
            if failed and check is CHECKS[0]:
                break
    end = f"{failed} failed" if failed else "all passed"
    print(f"{end} on tiny models on the CPU: no GPU was checked" if asked.dry else end)
    return int(failed > 0)


def missing_gpu() -> str | None:
    """Why nothing can be checked here, or None."""
    packages = ("torch", "transformers", "peft", "annotated-types")
    if missing := [name for name in packages if find_spec(name.replace("-", "_")) is None]:
        return f"Packages are missing: `pip install {' '.join(missing)}`"
    import torch

    if torch.cuda.is_available():
        return None
    kind = "for CPUs" if torch.version.cuda is None else "for GPUs; is there a driver?"
    return f"No GPU: torch {torch.__version__} (built {kind}) finds none"


def run(check: Check, bench: Bench) -> tuple[str, str]:
    """The check's result, and what it measured, or why it did not."""
    try:
        return _PASSED, check.function(bench)
    except Failed as reason:
        return _FAILED, str(reason)
    except Exception as error:
        if bench.dry:
            raise
        return _FAILED, "".join(traceback.format_exception(error, limit=-5))[-2000:]


def in_a_process(check: Check, folder: Path) -> tuple[str, str]:
    """The same, by a process of its own; `folder` keeps the bases for the next."""
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--only", check.name]
    command += ["--folder", str(folder), "--answer", str(answer)]
    limit = SLOW_START + PATIENCE * check.seconds
    try:
        done = subprocess.run(
            command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return _FAILED, f"no end after {limit} s"
    if not answer.exists():
        return _FAILED, f"the process ended with {done.returncode}:\n{done.stderr[-1000:].strip()}"
    result, measured = json.loads(answer.read_text())
    return result, measured


def _lines(text: str) -> str:
    width = max(shutil.get_terminal_size().columns, 60)
    return textwrap.fill(text, width, subsequent_indent=" " * 14)


def _chosen(names: list[str] | None) -> list[Check]:
    return [check for check in CHECKS if not names or check.name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gpu",
        description="Checks and measures training and writing on this machine's GPU.",
        epilog="Checks: " + ", ".join(check.name for check in CHECKS),
    )
    names = [check.name for check in CHECKS]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="these checks")
    parser.add_argument("--dry", action="store_true", help="try the script on the CPU")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
