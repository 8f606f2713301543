"""The Prefect server that a command starts for itself, where no other is configured."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any

import httpx
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

from deployments.server.prefect_settings import SERVER_COMMAND, UNTIL_STDIN_CLOSES
from tasks.core.errors import NetworkTrouble


class TemporaryServer(SubprocessASGIServer):
    """Prefect's own, but for the module that it runs: `prefect_server`, with its guard.

    It ends with this process, however that ends, and not with Ctrl-C: the flows need it to record
    how they were stopped.
    """

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        """The server, as soon as it answers. Raises NetworkTrouble.

        Prefect would start one that cannot start again and again, without end.
        """
        seconds = get_current_settings().server.ephemeral.startup_timeout_seconds
        end = time.monotonic() + seconds
        process = self._start_process()
        while time.monotonic() < end:
            if (status := process.poll()) is not None:
                if self.port is None or self.is_port_available(self.port):
                    raise NetworkTrouble(
                        f"the temporary Prefect server ended with status {status}; its error is "
                        f"printed above, and its database is in {get_current_settings().home}"
                    )
                self.port = self.find_available_port()  # another program was faster
                process = self._start_process()
            elif self._is_healthy():
                return process
            time.sleep(0.1)
        process.kill()
        raise NetworkTrouble(
            f"the temporary Prefect server did not start within {seconds} s: try again when this "
            "machine has less to do, or set PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
        )

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.api_url}/health", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _start_process(self) -> subprocess.Popen[Any]:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*SERVER_COMMAND, "--host", "127.0.0.1", "--port", str(self.port), UNTIL_STDIN_CLOSES],
            stdin=subprocess.PIPE,  # closed by the system when this process ends
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


def use_temporary_server() -> None:
    """Make Prefect's clients in this process start this server when they find none configured."""
    TemporaryServer()  # a singleton: the clients' `SubprocessASGIServer()` returns it from now on
