"""The server of a command: one that cannot start ends the command at once, with what to do."""

from __future__ import annotations

import socket
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
from tests.servers.prefect_site import free_port

HEALTHY = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Started(TemporaryServer):
    """A server that runs a program of a test, which gets the port."""

    program = HEALTHY

    def _start_process(self) -> subprocess.Popen[Any]:
        command = [sys.executable, "-c", self.program, str(self.port)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def test_a_server_that_ends_is_reported_at_once() -> None:
    server = Started(free_port())
    server.program = "raise SystemExit(3)"
    with pytest.raises(NetworkTrouble, match=r"ended with status 3; .* its database is in"):
        server.start()
    assert not server.running


def test_a_server_that_does_not_answer_is_ended() -> None:
    server = Started(free_port())
    server.program = "import time; time.sleep(60)"
    with (
        temporary_settings({PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 1}),
        pytest.raises(NetworkTrouble, match="did not start within 1 s: try again"),
    ):
        server.start()


def test_a_server_whose_port_was_taken_meanwhile_gets_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = Started(port)
        server.start()
    try:
        assert server.running
        assert server.port != port
    finally:
        server.stop()
