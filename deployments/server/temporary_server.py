"""The Prefect server that a command starts for itself, where no other is configured.

Prefect would start one as well, from `prefect.server`, which takes each command three seconds to
import. This one starts while the command imports what it needs itself.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import Any

import httpx
from prefect.settings import get_current_settings

from deployments.server.prefect_settings import INHERITED_SOCKET, SERVER_COMMAND, UNTIL_STDIN_CLOSES
from tasks.core.errors import NetworkTrouble

_GENTLE = 5.0  # seconds to end in


class TemporaryServer:
    """A server on a free port of 127.0.0.1, in a process of its own.

    It ends with this process, however that ends, and not with Ctrl-C: the flows need it to record
    how they were stopped.

    port: where it listens. api_url: of its API.
    """

    def __init__(self) -> None:
        """Start the process; `wait` waits until it answers."""
        # It inherits the socket, so that no other program can take the port meanwhile.
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port: int = listening.getsockname()[1]
            self.process = self._start(listening.fileno())
        self.api_url = f"http://127.0.0.1:{self.port}/api"

    def wait(self) -> None:
        """Wait until the server answers, at most as Prefect is set. Raises NetworkTrouble."""
        seconds = get_current_settings().server.ephemeral.startup_timeout_seconds
        end = time.monotonic() + seconds
        while not self._answers():
            if (status := self.process.poll()) is not None:
                raise NetworkTrouble(
                    f"the temporary Prefect server ended with status {status}; its error is "
                    f"printed above, and its database is in {get_current_settings().home}"
                )
            if time.monotonic() > end:
                self.process.kill()
                raise NetworkTrouble(
                    f"the temporary Prefect server did not start within {seconds} s: try again "
                    "when this machine has less to do, or set "
                    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """End the process, which may take some seconds."""
        self.process.terminate()
        try:
            self.process.wait(_GENTLE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        # The system accepts connections to the socket before the server does.
        try:
            return httpx.get(f"{self.api_url}/health", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _start(self, inherited: int) -> subprocess.Popen[Any]:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*SERVER_COMMAND, INHERITED_SOCKET, str(inherited), UNTIL_STDIN_CLOSES],
            stdin=subprocess.PIPE,  # closed by the system when this process ends
            pass_fds=[inherited],
            start_new_session=True,
            env={
                **os.environ,
                # As Prefect starts it: without UI, and with the services that a command needs.
                "PREFECT_UI_ENABLED": "0",
                "PREFECT__SERVER_EPHEMERAL": "1",
                "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
                **get_current_settings().to_environment_variables(exclude_unset=True),
            },
        )
