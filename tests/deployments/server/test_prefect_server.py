"""The server of one machine: its transactions on SQLite wait for one another.

Prefect's server takes seconds to import, so the tests do it: every process collects this file.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

if TYPE_CHECKING:
    from prefect.server.database.configurations import AioSqliteConfiguration


async def _count_together(database: AioSqliteConfiguration) -> int:
    """Two transactions that read a number and write one more, begun at the same time."""
    import sqlalchemy as sa

    engine = await database.engine()
    async with engine.begin() as connection:
        await connection.execute(sa.text("create table numbers (n integer)"))
        await connection.execute(sa.text("insert into numbers values (0)"))

    both_have_begun = asyncio.Barrier(2)

    async def one_more() -> None:
        session = await database.session(engine)
        async with session:
            await both_have_begun.wait()
            async with database.begin_transaction(session):
                found = (await session.execute(sa.text("select n from numbers"))).scalar_one()
                await asyncio.sleep(0.2)  # so that the other one reads as well, if it may
                await session.execute(sa.text("update numbers set n = :n"), {"n": found + 1})

    await asyncio.gather(one_more(), one_more())
    async with engine.connect() as connection:
        return int((await connection.execute(sa.text("select n from numbers"))).scalar_one())


def test_transactions_wait_for_one_another(tmp_path: Path) -> None:
    from deployments.server.prefect_server import WaitingSqlite

    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"

    assert asyncio.run(_count_together(WaitingSqlite(url))) == 2


def test_those_of_prefect_do_not(tmp_path: Path) -> None:
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.exc import OperationalError

    # Once they do, the module is of no use any more.
    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"

    with pytest.raises(OperationalError, match="database is locked"):
        asyncio.run(_count_together(AioSqliteConfiguration(url)))


@pytest.mark.parametrize(
    ("url", "waits"),
    [
        ("sqlite+aiosqlite:////nowhere/prefect.db", True),
        ("postgresql+asyncpg://somebody@nowhere/prefect", False),
    ],
)
def test_only_sqlite_needs_it(url: str, waits: bool) -> None:
    from prefect.server.database import dependencies

    from deployments.server.prefect_server import WaitingSqlite, use_waiting_sqlite

    before = dependencies.MODELS_DEPENDENCIES["database_config"]
    try:
        dependencies.set_database_config(None)
        with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
            use_waiting_sqlite()
        found = dependencies.MODELS_DEPENDENCIES["database_config"]
        assert isinstance(found, WaitingSqlite) == waits
    finally:
        dependencies.set_database_config(before)
