"""Registers Prefect's block types: `python -m deployments.server.block_types`.

Each API server does so when it starts, and of two that start on an empty database one crashes. With
PREFECT_SERVER_REGISTER_BLOCKS_ON_START=false on the servers, this does it once, before them.
"""

from __future__ import annotations

import asyncio

from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration


async def register() -> None:
    """Register them in the database of Prefect's settings; safe to repeat."""
    async with await provide_database_interface().session() as session:
        await run_block_auto_registration(session=session)


if __name__ == "__main__":
    asyncio.run(register())
