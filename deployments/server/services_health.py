"""Whether the background services of this machine are alive; exits 0 if so, else 1.

    python -m deployments.server.services_health

They have no port. Their worker of the queue in Redis, which runs in their event loop, reports there
every few seconds that it lives, under the machine's name.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from docket import Docket

_QUEUE = "prefect"  # as `prefect server services start` names it


async def is_alive(url: str, queue: str = _QUEUE, machine: str = "") -> bool:
    """Whether a worker of a machine, by default this one, has reported lately."""
    mine = f"{machine or socket.gethostname()}#"
    async with Docket(name=queue, url=url) as docket:
        return any(worker.name.startswith(mine) for worker in await docket.workers())


if __name__ == "__main__":
    sys.exit(not asyncio.run(is_alive(os.environ["PREFECT_SERVER_DOCKET_URL"])))
