"""Chunks as runs of a deployment: started once, and waited for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.states import Completed, Crashed, Failed, Running

from flows.chunks import (
    CRASH_GRACE,
    POLL,
    _failures,
    _is_over,
    _unless_unreachable,
    in_chunks,
    run_chunks,
)
from flows.requests import BotRequest, RetrainOptions
from flows.retrain import retrain

CHUNKS = in_chunks([BotRequest(name=name) for name in ("ada", "bea", "cyd", "dot")], 1, "test")


async def started(client: PrefectClient) -> dict[str, UUID]:
    """The runs of the chunks, by the name of their bot, once there are all."""
    while True:
        runs = [run for run in await client.read_flow_runs() if run.idempotency_key]
        found = {
            run.parameters["bots"][0]["name"]: run.id
            for run in runs
            if run.idempotency_key in {chunk.key for chunk in CHUNKS}
        }
        if len(found) == len(CHUNKS):
            return found
        await asyncio.sleep(0.1)


async def play_the_workers(client: PrefectClient) -> None:
    runs = await started(client)
    await asyncio.sleep(POLL / 2)
    for name, state in {"ada": Completed(), "bea": Failed(), "cyd": Crashed()}.items():
        await client.set_flow_run_state(runs[name], state, force=True)
    await client.delete_flow_run(runs["dot"])
    await asyncio.sleep(1.5 * POLL)  # one that crashed is waited for a while
    await client.set_flow_run_state(runs["cyd"], Completed(), force=True)


@pytest.mark.usefixtures("prefect_server")
def test_each_bot_has_the_reason_why_its_run_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> dict[str, str]:
        async with get_client() as client:
            flow = await client.create_flow(retrain)
            await client.create_deployment(flow, name="retrain")
            failures, _ = await asyncio.gather(
                run_chunks(CHUNKS, RetrainOptions(), here=False), play_the_workers(client)
            )
            return failures

    failures = asyncio.run(story())
    assert failures.keys() == {"bea", "dot"}
    assert failures["bea"].endswith("ended Failed")
    assert failures["dot"].endswith("was deleted")
    assert "4 of 4 bots done" in caplog.text


def test_the_error_of_a_run_is_the_reason_of_each_bot() -> None:
    assert _failures(CHUNKS[0], RuntimeError("no space is left")) == {"ada": "no space is left"}


def test_a_crash_is_an_end_only_after_a_while() -> None:
    assert not _is_over(Running())
    assert _is_over(Completed())
    assert not _is_over(Crashed())
    assert _is_over(Crashed(timestamp=datetime.now(UTC) - 2 * CRASH_GRACE))


def test_a_server_that_is_away_is_waited_for_and_one_that_refuses_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ask(error: Exception) -> str:
        raise error

    assert asyncio.run(_unless_unreachable(ask(httpx.ConnectError("refused")))) is None
    assert "does not answer" in caplog.text
    refused = httpx.HTTPStatusError(
        "no", request=httpx.Request("GET", "http://127.0.0.1"), response=httpx.Response(401)
    )
    with pytest.raises(httpx.HTTPStatusError):
        asyncio.run(_unless_unreachable(ask(refused)))
