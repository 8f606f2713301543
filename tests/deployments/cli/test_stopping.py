"""Ctrl-C in a terminal, and what a supervisor sends, while the command trains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tasks.core.names import Bot
from tasks.core.records import Status
from tasks.registry.attempts import attempts_of
from tasks.registry.outcomes import load_outcome
from tasks.storage import Storage, open_storage
from tests.sample_posts import write_table
from tests.servers.prefect_database import put_database

ALICE = Bot.parse("alice")
COMMAND = Path(sys.executable).with_name("huggingtweets")
PATIENCE = 15.0  # seconds; generous for a busy machine


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PREFECT_HOME": str(put_database(tmp_path / "prefect").parent),
        "HUGGINGTWEETS_STORAGE": str(tmp_path / "storage"),
        "HUGGINGTWEETS_CHECKPOINT_SECONDS": "3600",
        "HUGGINGTWEETS_AVATARS": "off",
        "HUGGINGTWEETS_TRACKING": "false",
    }


@contextmanager
def training(
    environment: dict[str, str], base: Path, table: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`retrain` in a process group of its own, as a shell starts it, in mid-training."""
    words = ["retrain", "alice", "--source", table, "--base", base, "--json"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [COMMAND, *words], env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        until = time.monotonic() + 120
        while b"tokens/s" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stopped_training_is_stored(
    number: signal.Signals, environment: dict[str, str], slow_base: Path, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "posts.csv", posts=1_000)
    stop_training(number, environment, slow_base, table)


@pytest.mark.slow
def test_a_stored_training_is_resumed(
    environment: dict[str, str], slow_base: Path, tmp_path: Path
) -> None:
    log, table = tmp_path / "again", write_table(tmp_path / "posts.csv", posts=1_000)
    stop_training(signal.SIGINT, environment, slow_base, table)
    with training(environment, slow_base, table, log):
        until = time.monotonic() + 60
        while b"resuming from step" not in log.read_bytes():
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)


def stop_training(
    number: signal.Signals, environment: dict[str, str], base: Path, table: Path
) -> None:
    """Send this signal in mid-training; the command ends in time, and the training is stored."""
    log, storage = table.with_suffix(".log"), open_storage(environment["HUGGINGTWEETS_STORAGE"])
    with training(environment, base, table, log) as process:
        servers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)  # as a terminal does: to all that the command started
        assert process.wait(PATIENCE) == 130, log.read_text()
    assert unfinished(storage)
    outcome = load_outcome(storage, ALICE)
    assert outcome is not None
    assert (outcome.status, attempts_of(storage, ALICE)) == (Status.INTERRUPTED, 0)
    assert "run it again to resume" in outcome.reason
    _, left = psutil.wait_procs(servers, timeout=PATIENCE)
    assert not left, "its server ends with it"


@pytest.mark.slow
def test_a_killed_command_leaves_no_server(
    environment: dict[str, str], slow_base: Path, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "posts.csv", posts=1_000)
    with training(environment, slow_base, table, tmp_path / "log") as process:
        servers = psutil.Process(process.pid).children(recursive=True)
        assert servers
        process.kill()
        process.wait()
        _, left = psutil.wait_procs(servers, timeout=PATIENCE)
        assert not left


def unfinished(storage: Storage) -> bool:
    found = [key for folder in storage.folders("resume/alice") for key in storage.folders(folder)]
    return any(json.loads(storage.read(f"{key}/manifest.json"))["state"]["steps"] for key in found)
