"""Prefect's server as our commands and containers start it.

    python -m deployments.server.prefect_server [--host HOST] [--port PORT] [--no-services]

serves Prefect's application behind a guard against foreign web pages. On SQLite its transactions
wait for each other: Prefect begins a transaction without SQLite's write lock. If it has read and
finds that another transaction has written meanwhile, it must give up: the server answers 503, and
the client waits two seconds or more before it asks again. Among 12 bots that happened 9 to 15 times
in 300 requests, mostly when a training slot was taken, and cost a bot 0.6 to 1.6 s
(`python -m tests.benchmarks.orchestration`). Here each transaction takes the lock when it begins,
and waits for it: Prefect lets a connection wait for a minute.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, get_current_settings
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from deployments.server.prefect_settings import INHERITED_SOCKET, UNTIL_STDIN_CLOSES
from deployments.server.request_guard import RequestGuard
from tasks.core.settings import settings

_GENTLE = 10.0  # seconds for requests under way
_NOT_STARTED = 3  # as `uvicorn.run` has it


class WaitingSqlite(AioSqliteConfiguration):
    """SQLite whose transactions all take the write lock when they begin."""

    @asynccontextmanager
    async def begin_transaction(
        self,
        session: AsyncSession,
        with_for_update: bool = False,  # noqa: ARG002 - Prefect's own signature
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin as Prefect does for transactions that it knows will write."""
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def use_waiting_sqlite() -> None:
    """Make the server of this process use it, if its database is SQLite."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if get_dialect(url).name == "sqlite":
        set_database_config(WaitingSqlite(url))


def _end_with_stdin() -> None:
    """Wait until nobody can write to standard input any more, then end, gently at first."""
    while os.read(0, 1024):  # without Python's lock, which would be held when this process ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GENTLE)
    os._exit(1)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    server = get_current_settings().server
    parser = argparse.ArgumentParser(prog="python -m deployments.server.prefect_server")
    parser.add_argument("--host", default=server.api.host, help="address to listen on")
    parser.add_argument("--port", default=server.api.port, type=int)
    parser.add_argument("--no-services", action="store_true", help="API and UI only")
    parser.add_argument(
        UNTIL_STDIN_CLOSES, action="store_true", help="end with the process that started it"
    )
    parser.add_argument(
        INHERITED_SOCKET, type=int, metavar="FD", help="listen on this instead of host and port"
    )
    given = parser.parse_args()
    if given.until_stdin_closes:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    sockets = None
    if given.inherited_socket is not None:
        sockets = [socket.socket(fileno=given.inherited_socket)]
        given.host, given.port = sockets[0].getsockname()
    use_waiting_sqlite()
    app = create_app(final=True, webserver_only=given.no_services)
    config = uvicorn.Config(
        RequestGuard(app, given.host, given.port, settings().hosts),
        host=given.host,
        port=given.port,
        log_level=server.logging_level.lower(),
        timeout_keep_alive=server.api.keepalive_timeout,
        ws_ping_interval=server.api.websocket_ping_interval,
        ws_ping_timeout=server.api.websocket_ping_timeout,
    )
    serving = uvicorn.Server(config)
    serving.run(sockets=sockets)
    if not serving.started:
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
