"""Serves the local page, until Ctrl-C."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from deployments import console
from deployments.server.free_port import refuse_used_port
from deployments.web.application import WebServer, create_app, guarded
from deployments.web.login import token_for
from tasks.core.settings import settings
from tasks.storage import storage_root

_CONNECTIONS = 200  # beyond it requests are answered with 503


def run(host: str, port: int) -> None:
    """Serve on this address."""
    refuse_used_port(host, port)
    storage = storage_root()  # an unusable one is reported now
    given = settings().web_token
    token = token_for(host, settings().hosts, given)
    server = WebServer(host, port, settings().hosts, token, prefect_ui())
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    console.note(f"Ready: {address}, storage {storage.url}. Ctrl-C stops it.")
    if token is not None and given is None:
        console.note(f"Log in at {address}/login?token={token.get_secret_value()}")
    uvicorn.run(guarded(create_app(server), server), **uvicorn_options(host, port))


def uvicorn_options(host: str, port: int) -> dict[str, Any]:
    """How the server listens, and the limits of its connections."""
    return {
        "host": host,
        "port": port,
        "log_level": "warning",
        "server_header": False,
        "limit_concurrency": _CONNECTIONS,
        "timeout_keep_alive": 5,
        "timeout_graceful_shutdown": 3,  # streams of posts and of progress would go on
        "ws": "none",
    }


def prefect_ui() -> str | None:
    """The address of Prefect's UI, where a server is named that a browser may reach.

    A container knows the server by a name of its own: there `PREFECT_UI_URL` says the address.
    """
    if given := os.environ.get("PREFECT_UI_URL"):
        return given
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix("/api")
    host = urlsplit(url).hostname or ""
    return url if host == "localhost" or "." in host or ":" in host else None
