"""`huggingtweets web`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.server.free_port import refuse_used_port


def web(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the page")] = 4300,
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than this asks for a login")
    ] = "127.0.0.1",
) -> None:
    """Try bots and make new ones in the browser, until Ctrl-C."""
    refuse_used_port(host, port)  # before what serves it is loaded
    from deployments.web.local_server import run

    run(host, port)
