"""Chunks as runs of a deployment: asked for once, waited for, and told of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Crashed, Failed, Running

from flows.chunks import GRACE, POLL, _answer, _is_over, _troubles, in_chunks, run_chunks
from flows.requests import BotRequest, RetrainOptions
from flows.retrain import retrain

CHUNKS = in_chunks([BotRequest(name=name) for name in ("ada", "bea", "cyd", "dot")], 1, "test")


async def asked_for(client: PrefectClient) -> dict[str, UUID]:
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
    runs = await asked_for(client)
    await asyncio.sleep(POLL / 2)
    for name, state in {"ada": Completed(), "bea": Failed(), "cyd": Crashed()}.items():
        await client.set_flow_run_state(runs[name], state, force=True)
    await client.delete_flow_run(runs["dot"])
    await asyncio.sleep(1.5 * POLL)  # one that crashed is waited for a while
    await client.set_flow_run_state(runs["cyd"], Completed(), force=True)


@pytest.mark.usefixtures("prefect_server")
def test_each_bot_is_told_how_its_run_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> dict[str, str]:
        async with get_client() as client:
            flow = await client.create_flow(retrain)
            await client.create_deployment(flow, name="retrain")
            troubles, _ = await asyncio.gather(
                run_chunks(CHUNKS, RetrainOptions(), here=False), play_the_workers(client)
            )
            return troubles

    troubles = asyncio.run(story())
    assert troubles.keys() == {"bea", "dot"}
    assert troubles["bea"].endswith("ended Failed")
    assert troubles["dot"].endswith("was deleted")
    assert "4 of 4 bots done" in caplog.text


def test_of_a_run_that_broke_each_bot_is_told_why() -> None:
    assert _troubles(CHUNKS[0], RuntimeError("no space is left")) == {"ada": "no space is left"}


@pytest.mark.parametrize(
    ("state", "over"),
    [
        (Running(), False),
        (Completed(), True),
        (Crashed(), False),
        (Crashed(timestamp=datetime.now(UTC) - 2 * GRACE), True),
    ],
)
def test_a_crash_is_an_end_only_after_a_while(state: State, *, over: bool) -> None:
    assert _is_over(state) is over


def test_a_server_that_is_away_is_waited_for_and_one_that_refuses_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ask(error: Exception) -> str:
        raise error

    assert asyncio.run(_answer(ask(httpx.ConnectError("refused")))) is None
    assert "does not answer" in caplog.text
    refused = httpx.HTTPStatusError(
        "no", request=httpx.Request("GET", "http://127.0.0.1"), response=httpx.Response(401)
    )
    with pytest.raises(httpx.HTTPStatusError):
        asyncio.run(_answer(ask(refused)))
