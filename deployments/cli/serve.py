"""`huggingtweets serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.core.errors import BadInput


def serve(
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Port of the server and its UI")
    ] = 4200,
    host: Annotated[str, typer.Option(help="Address that the server listens on")] = "127.0.0.1",
    web_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the page of `web`; 0: without it")
    ] = 4300,
) -> None:
    """Run server, schedules and workers on this machine, until Ctrl-C."""
    if web_port == port:
        raise BadInput(f"--port and --web-port are both {port}: choose another --web-port")
    from deployments.serve import serve as run_until_stopped

    run_until_stopped(port, host, web_port)
