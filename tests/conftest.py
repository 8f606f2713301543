"""What all tests share."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Before torch: tiny models gain nothing from threads, and on a busy machine lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tasks.core.settings import settings
from tasks.storage import Storage, open_storage
from tests.sample_posts import write_table


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the settings of the person who runs it, or writes where they would."""
    monkeypatch.setenv("HUGGINGTWEETS_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("HUGGINGTWEETS_AVATARS", "off")  # no test leaves the machine
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "storage"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "posts.csv", posts=200)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def real_posts() -> Path:
    """The folder of real posts beside the checkout; the test is skipped where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "tweets"
    if not folder.is_dir():
        pytest.skip(f"no real posts at {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of a few thousand random weights, with a tokenizer of its own."""
    from tests.tiny import make_tiny_base

    folder = tmp_path_factory.mktemp("tiny") / "base"
    make_tiny_base(folder)
    return folder


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A real Prefect server with database and results of its own, once for all tests that ask."""
    from prefect.settings import (
        PREFECT_LOCAL_STORAGE_PATH,
        PREFECT_LOGGING_LEVEL,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    results = {PREFECT_LOCAL_STORAGE_PATH: tmp_path_factory.mktemp("results")}
    quiet = {PREFECT_LOGGING_TO_API_ENABLED: False, PREFECT_LOGGING_LEVEL: "CRITICAL"}
    with prefect_test_harness(server_startup_timeout=120), temporary_settings({**quiet, **results}):
        yield


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run `huggingtweets` with words; returns exit code, standard output and error."""
    from deployments.cli.app import main

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["huggingtweets", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    yield run
    logging.getLogger("huggingtweets").handlers.clear()
