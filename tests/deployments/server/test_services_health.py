"""Whether the background services live, by what their queue says of them."""

from __future__ import annotations

import asyncio

from docket import Docket, Worker

from deployments.server.services_health import is_alive


def test_a_machine_is_alive_while_its_worker_reports() -> None:
    url = "memory://services-health"

    async def story() -> list[bool]:
        async with Docket(name="prefect", url=url) as docket:
            seen = [await is_alive(url)]
            async with Worker(docket) as worker:
                running = asyncio.create_task(worker.run_forever())
                while not await docket.workers():  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.05)
                seen += [await is_alive(url), await is_alive(url, machine="another")]
                running.cancel()
            return seen

    assert asyncio.run(asyncio.wait_for(story(), 20)) == [False, True, False]
