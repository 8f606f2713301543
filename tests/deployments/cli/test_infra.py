"""A command that starts a Prefect server for itself, at a terminal and on a new machine."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import psutil

from deployments.server.prefect_settings import SERVER_COMMAND
from tests.servers.prefect_database import put_database
from tests.servers.prefect_site import ROOT, until


@contextmanager
def terminal() -> Iterator[tuple[int, list[bytes]]]:
    """A pseudo-terminal, and what is printed to it."""
    ours, theirs = pty.openpty()
    printed: list[bytes] = []

    def read() -> None:
        while True:
            try:
                printed.append(os.read(ours, 4096))
            except OSError:  # the last who had it open is gone
                return

    reader = Thread(target=read, daemon=True)
    reader.start()
    try:
        yield theirs, printed
    finally:
        os.close(theirs)
        reader.join(10)
        os.close(ours)


def test_its_server_is_guarded_and_nothing_is_said_of_usage_data(tmp_path: Path) -> None:
    inherited = ("PREFECT_", "CI", "DO_NOT_TRACK")
    own = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    environment = {
        **own,
        "PREFECT_HOME": str(put_database(tmp_path / "home").parent),
        "HUGGINGTWEETS_STORAGE": str(tmp_path / "storage"),
        "PYTHONPATH": str(ROOT),
    }
    command = [str(Path(sys.executable).with_name("huggingtweets")), "infra", "apply"]
    with terminal() as (screen, printed):
        process = psutil.Popen(
            command, env=environment, cwd=tmp_path, stdin=screen, stdout=screen, stderr=screen
        )
        servers: list[psutil.Process] = []

        def has_server() -> bool:
            servers[:] = [
                child for child in process.children() if SERVER_COMMAND[-1] in child.cmdline()
            ]
            return bool(servers)

        until(has_server, 120, "the temporary server")
        assert servers[0].environ()["DO_NOT_TRACK"] == "1"
        assert process.wait(150) == 0
    text = b"".join(printed).decode()
    assert "Infrastructure" in text
    assert "usage data" not in text
    assert not (tmp_path / "home" / ".sdk_telemetry").exists()
    assert not servers[0].is_running()
