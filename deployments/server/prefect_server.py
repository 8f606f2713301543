"""Prefect's server for one machine: on SQLite its transactions wait for each other.

    python -m deployments.server.prefect_server server start [OPTION…]

takes the arguments of `prefect`. Prefect begins a transaction without SQLite's write lock. If it
has read and finds that another transaction has written meanwhile, it must give up: the server
answers 503, and the client waits two seconds or more before it asks again. Among 12 bots that
happened 9 to 15 times in 300 requests, mostly when a training slot was taken, and cost a bot 0.6 to
1.6 s (`python -m tests.benchmarks.orchestration`). Here each transaction takes the lock when it
begins, and waits for it: Prefect lets a connection wait for a minute.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


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


if __name__ == "__main__":
    use_waiting_sqlite()
    app()
