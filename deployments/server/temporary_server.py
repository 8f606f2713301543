"""The Prefect server that a command starts for itself, where no other is configured."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

from deployments.server.prefect_settings import SERVER_COMMAND, UNTIL_STDIN_CLOSES


class TemporaryServer(SubprocessASGIServer):
    """Prefect's own, but for the module that it runs: `prefect_server`, with its guard.

    It ends with this process, however that ends, and not with Ctrl-C: the flows need it to record
    how they were stopped.
    """

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
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
