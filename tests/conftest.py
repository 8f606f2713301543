"""What all tests share."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import tests.environment  # noqa: F401 - before torch and Prefect
from tasks.core import interruption
from tasks.core.settings import settings
from tasks.storage import Storage, open_storage
from tests.sample_posts import write_table

# `make test` takes the first; `make chaos` takes the other for all property tests.
hypothesis.settings.register_profile("ci", max_examples=40, deadline=None)
hypothesis.settings.register_profile("nightly", max_examples=1000, deadline=None)
hypothesis.settings.load_profile("ci")

# What modules keep between calls, if they are loaded: by module, the collection to empty.
CACHES = {
    "tasks.finetune": "_prepared",
    "tasks.orchestration.limits": "_ensured",
    "tasks.operations.retrain_record": "_under_way",
    "tasks.training.engine": "_warm",
}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the settings of the person who runs it, or writes where they would."""
    for name in os.environ:
        if name.startswith("HUGGINGTWEETS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HUGGINGTWEETS_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("HUGGINGTWEETS_AVATARS", "off")  # no test leaves the machine
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """No test sees what another left in a module: warm bases, limits made sure of, a stop."""
    yield
    interruption.withdraw()
    for module, name in CACHES.items():
        if module in sys.modules:
            getattr(sys.modules[module], name).clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end the other processes would wait for it."""
    items.sort(
        key=lambda item: (
            item.path.name != "test_compatibility.py",
            not _needs_prefect_server(item.path),
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all files that need `prefect_server` to one process, for its start takes seconds."""
    from xdist.scheduler import LoadFileScheduling

    class OneServer(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "prefect_server" if _needs_prefect_server(config.rootpath / file) else file

    return OneServer(config, log)


@cache
def _needs_prefect_server(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return '"prefect_server"' in text or "(prefect_server" in text


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """SIGTERM ends the session: while a flow runs, Prefect makes an exception of it."""
    try:
        return (yield)
    except BaseException as error:
        if type(error).__name__ == "TerminationSignal":
            pytest.exit("ended by SIGTERM", returncode=143)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Iterator[None]:
    """What tests log reaches the terminal from a worker of xdist, lone surrogates included."""
    return _encodable((yield))


def _encodable(part: Any) -> Any:
    if isinstance(part, str):
        return part.encode("utf-8", "backslashreplace").decode()
    if isinstance(part, dict):
        return {key: _encodable(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(map(_encodable, part))
    return part


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
    make_tiny_base(folder, positions=64)
    return folder


@pytest.fixture(scope="session")
def slow_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of six million random weights: an epoch of 1,000 posts takes many seconds.

    For what has to strike a training under way: no early stop ends one within its first epoch.
    """
    from tests.tiny import make_tiny_base

    folder = tmp_path_factory.mktemp("slow") / "base"
    make_tiny_base(folder, positions=64, layers=8, width=256)
    return folder


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Prefect server with database and results of its own, once for all tests that ask.

    The port of it, which is one as a command starts for itself.
    """
    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.settings import (
        PREFECT_API_DATABASE_CONNECTION_URL,
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOCAL_STORAGE_PATH,
        PREFECT_LOGGING_LEVEL,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    from deployments.server.temporary_server import TemporaryServer
    from tests.servers.prefect_database import put_database

    folder = tmp_path_factory.mktemp("prefect")
    database = f"sqlite+aiosqlite:///{put_database(folder)}"
    cheaper = {
        PREFECT_LOCAL_STORAGE_PATH: folder / "results",
        # A flow waits for the thread of its heartbeat, which sleeps a second at a time.
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        # Each of a bot's twenty clients would read 140 authorities, for a server without TLS.
        PREFECT_API_SSL_CERT_FILE: str(_one_authority(folder)),
    }
    quiet = {PREFECT_LOGGING_TO_API_ENABLED: False, PREFECT_LOGGING_LEVEL: "CRITICAL"}
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: database}):
        server = TemporaryServer()
    try:
        server.wait()
        with (
            temporary_settings({PREFECT_API_URL: server.api_url, **quiet, **cheaper}),
            # Threads that a test starts, such as a stand-in's, look there.
            _temporary_global_settings_context(get_settings_context()),
        ):
            yield server.port
    finally:
        server.stop()


def _one_authority(folder: Path) -> Path:
    """The first certificate of the usual bundle, in a file of its own."""
    import certifi

    end = "-----END CERTIFICATE-----\n"
    certificate = folder / "authority.pem"
    certificate.write_text(Path(certifi.where()).read_text().partition(end)[0] + end)
    return certificate


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

    umask = os.umask(0o022)
    yield run
    os.umask(umask)  # the command sets its own
    logging.getLogger("huggingtweets").handlers.clear()
