"""Work that is killed at random moments: 100 times in one process tree, 10 times as a command.

make chaos
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tasks.core.names import Bot, Handle
from tasks.lake.posts import read, rows_stored
from tasks.publishing.releases import latest_release, verify_release
from tasks.registry.attempts import attempts_of
from tasks.storage import Storage
from tests.sample_posts import write_table
from tests.tasks.removal.traces import traces

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
ROSA, POSTS = Handle("rosa"), 2_000
TIMES, COMMANDS = 100, 10
PATIENCE = 30.0  # seconds that a command may take to end, on a busy machine


@pytest.mark.parametrize(
    "program",
    [
        "tests.tasks.lake.killed_lake append",
        "tests.tasks.lake.killed_lake import",
        "tests.tasks.lake.killed_lake compact",
        "tests.tasks.publishing.killed_publisher",
        "tests.tasks.removal.killed_removal",
    ],
)
def test_whatever_is_killed_nothing_is_lost_half_or_left(tmp_path: Path, program: str) -> None:
    run(program, tmp_path)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_training_is_stopped_and_resumed_without_a_trace(
    tmp_path: Path, tiny_base: Path, number: str
) -> None:
    run(f"tests.tasks.training.stopped_training {number}", tmp_path, tiny_base)


def run(program: str, *words: Path) -> None:
    """Run a program of this kind, and show what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *program.split(), *words, str(TIMES)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"\nCHAOS | {program} | {done.stdout.strip()}")


class Commands:
    """Runs `huggingtweets`, each time with a temporary Prefect server, and kills some of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chance = folder, random.Random(0)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environment = {
            **inherited,
            "HUGGINGTWEETS_STORAGE": str(folder / "storage"),
            "HUGGINGTWEETS_TRACKING": "false",
            "HUGGINGTWEETS_GATE_REPEATS": "1",
            "PREFECT_HOME": str(folder / "prefect"),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *words: object) -> float:
        """Run one to its end; returns the seconds."""
        begun = time.monotonic()
        process = self._start(*words)
        output, _ = process.communicate()
        assert process.returncode == 0, output.decode()[-3000:]
        return time.monotonic() - begun

    def kill(self, longest: float, *words: object, number: int = signal.SIGKILL) -> int:
        """Signal one and all that it has started, after a random time; returns its exit code."""
        process = self._start(*words)
        time.sleep(self.chance.uniform(0, longest))
        os.killpg(process.pid, number)
        process.communicate(timeout=PATIENCE)
        return process.returncode

    def _start(self, *words: object) -> subprocess.Popen[bytes]:
        command = [Path(sys.executable).with_name("huggingtweets"), *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def test_a_forget_that_is_killed_is_finished_by_the_next(tmp_path: Path, storage: Storage) -> None:
    commands, table = Commands(tmp_path), write_table(tmp_path / "rosa.csv", posts=200)

    def set_up() -> None:
        storage.delete("opt-outs")
        commands.run("import", table, "--handle", "rosa")

    set_up()
    longest = commands.run("forget", "rosa", "--yes")
    for _ in range(COMMANDS):
        set_up()
        commands.kill(longest, "forget", "rosa", "--yes")
        commands.run("forget", "rosa", "--yes")
        receipts = set(storage.keys("receipts"))
        assert traces(storage, "rosa") == {"opt-outs/rosa.json", *receipts}
    print(f"\nCHAOS | forget, killed within {longest:.0f} s | {COMMANDS} finished by the next")


def test_a_retrain_that_is_killed_leaves_a_whole_release(
    tmp_path: Path, storage: Storage, tiny_base: Path
) -> None:
    commands, table = Commands(tmp_path), write_table(tmp_path / "rosa.csv", posts=200)
    words = ("retrain", "rosa", "--source", table, "--base", tiny_base, "--force")
    commands.run(*words)
    longest = commands.run(*words)
    for _ in range(COMMANDS):
        commands.kill(longest, *words)
        release = latest_release(storage, Bot.parse("rosa"))
        assert release is not None
        assert verify_release(storage, release, digests=True)
    commands.run(*words)
    left = [path.name for path in storage.local("releases/rosa").iterdir()]
    assert len([name for name in left if name != "latest" and name[0] != "."]) == 1, left
    print(f"\nCHAOS | retrain --force, killed within {longest:.0f} s | {COMMANDS} times whole")


def test_an_import_that_is_killed_is_finished_by_the_next(tmp_path: Path, storage: Storage) -> None:
    commands, table = Commands(tmp_path), write_table(tmp_path / "rosa.csv", posts=POSTS)
    words, killed = ("import", table, "--handle", "rosa"), 0
    longest = commands.run(*words)
    for _ in range(COMMANDS):
        storage.delete("posts")
        storage.delete("imports")
        killed += commands.kill(longest, *words) == -signal.SIGKILL
        assert rows_stored(storage, ROSA) in (0, POSTS)
        commands.run(*words)
        assert read(storage, ROSA).num_rows == rows_stored(storage, ROSA) == POSTS
    print(f"\nCHAOS | import, killed within {longest:.0f} s | {killed} killed, all finished")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_retrain_that_is_stopped_is_resumed_by_the_next(
    tmp_path: Path, storage: Storage, slow_base: Path, number: signal.Signals
) -> None:
    commands, table = Commands(tmp_path), write_table(tmp_path / "rosa.csv", posts=200)
    codes, resumed = [], 0

    def words(seed: int) -> tuple[object, ...]:
        """Another training with each seed; `--force` alone would find the last one's result."""
        return ("retrain", "rosa", "--source", table, "--base", slow_base,
                "--force", "--seed", seed)  # fmt: skip

    longest = commands.run(*words(0))
    for seed in range(1, COMMANDS + 1):
        codes.append(commands.kill(longest, *words(seed), number=number))
        assert attempts_of(storage, Bot.parse("rosa")) == 0, "an attempt is counted"
        assert latest_release(storage, Bot.parse("rosa")) is not None
        resumed += bool(storage.folders("resume/rosa"))
        commands.run(*words(seed))
        assert not storage.folders("resume/rosa")
    # Before the command has begun its work, the system or Python ends it.
    assert set(codes) <= {0, 130, -number}, codes
    assert resumed, "no training was stopped in the middle"
    print(f"\nCHAOS | retrain, {number.name} within {longest:.0f} s | exit codes"
          f" {dict(Counter(codes))}, {resumed} trainings went on, all finished")  # fmt: skip
