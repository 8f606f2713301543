"""The server of a command: one that cannot start ends the command at once, with what to do."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
from prefect.settings import (
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from deployments.server.temporary_server import TemporaryServer
from tasks.core.errors import NetworkTrouble


class Started(TemporaryServer):
    """A server that runs a program of a test."""

    program = ""

    def _start(self, inherited: int) -> subprocess.Popen[Any]:
        command = [sys.executable, "-c", self.program]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, pass_fds=[inherited])


def test_a_server_that_ends_is_reported_at_once() -> None:
    class Ending(Started):
        program = "raise SystemExit(3)"

    with pytest.raises(NetworkTrouble, match=r"ended with status 3; .* its database is in"):
        Ending().wait()


def test_a_server_that_does_not_answer_is_ended() -> None:
    class Silent(Started):
        program = "import time; time.sleep(60)"

    server = Silent()
    with (
        temporary_settings({PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 1}),
        pytest.raises(NetworkTrouble, match="did not start within 1 s: try again"),
    ):
        server.wait()
    assert server.process.wait(10) == -signal.SIGKILL
