"""Hand bots out in chunks, one run of `retrain` each, and wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments.flow_runs import arun_deployment
from prefect.exceptions import ObjectNotFound

from flows.requests import BotRequest, RetrainOptions
from flows.retrain import retrain
from tasks.core import interruption
from tasks.core.records import Outcome, Status
from tasks.orchestration.crashed_runs import take_up_crashed
from tasks.orchestration.outages import skip_if_unreachable

log = logging.getLogger("huggingtweets")
Got = TypeVar("Got")
RETRAIN = "retrain/retrain"  # the deployment on the training work pool
POLL = 2.0  # seconds
LOOK = 30.0  # seconds between two looks for crashed runs that the server forgot
# A crashed run is started again within this time, if at all.
GRACE = timedelta(minutes=3)


@dataclass(frozen=True)
class Chunk:
    """Bots for one run; key: of the run, so that asking twice makes one."""

    key: str
    bots: tuple[BotRequest, ...]

    @property
    def names(self) -> list[str]:
        """The bots' names."""
        return [bot.name for bot in self.bots]


def in_chunks(bots: Sequence[BotRequest], size: int, key: str) -> list[Chunk]:
    """The bots in chunks of at most `size`, in their order."""
    starts = range(0, len(bots), size)
    return [Chunk(f"{key}:{n}", tuple(bots[at : at + size])) for n, at in enumerate(starts)]


async def run_chunks(
    chunks: Sequence[Chunk], options: RetrainOptions, *, here: bool
) -> dict[str, str]:
    """Retrain all; returns for each bot how its run ended, where that was not well.

    here: in this process, one chunk after the other; else each as a run of the deployment, on
    whichever workers there are.
    """
    if here:
        return await _here(chunks, options)
    runs = [(chunk, await _started(chunk, options)) for chunk in chunks]
    return await _ended(runs)


async def _here(chunks: Sequence[Chunk], options: RetrainOptions) -> dict[str, str]:
    begun, done, total = time.monotonic(), 0, sum(len(chunk.bots) for chunk in chunks)
    troubles = dict[str, str]()
    for chunk in chunks:
        interruption.check()
        state = await retrain(list(chunk.bots), options, return_state=True)
        troubles |= _troubles(chunk, await state.aresult(raise_on_failure=False))
        done += len(chunk.bots)
        _tell(done, total, time.monotonic() - begun)
    return troubles


def _troubles(chunk: Chunk, result: Any) -> dict[str, str]:
    if isinstance(result, BaseException):
        return dict.fromkeys(chunk.names, str(result))
    outcomes: list[Outcome] = result
    return {each.bot: each.reason for each in outcomes if each.status is Status.FAILED}


def _tell(done: int, total: int, seconds: float) -> None:
    minutes = seconds / done * (total - done) / 60
    log.info("%d of %d bots done, about %.0f minutes left", done, total, minutes)


async def _started(chunk: Chunk, options: RetrainOptions) -> FlowRun:
    parameters = {
        "bots": [bot.model_dump(mode="json") for bot in chunk.bots],
        "options": options.model_dump(mode="json"),
    }
    run = await arun_deployment(
        RETRAIN, parameters=parameters, timeout=0, idempotency_key=chunk.key
    )
    log.info("run %s: %d bots (%s)", run.name, len(chunk.bots), chunk.key)
    return run


async def _ended(runs: Sequence[tuple[Chunk, FlowRun]]) -> dict[str, str]:
    waiting, troubles = list(runs), dict[str, str]()
    begun, total, looked = time.monotonic(), _number(runs), float("-inf")
    async with get_client() as client:
        while True:
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                await _answer(asyncio.to_thread(look_for_crashed))
            under_way = []
            for chunk, run in waiting:
                why = await _answer(_end_of(client, run))
                if why is None:
                    under_way.append((chunk, run))
                elif why:
                    troubles |= dict.fromkeys(chunk.names, why)
            if len(under_way) < len(waiting):
                _tell(total - _number(under_way), total, time.monotonic() - begun)
            waiting = under_way
            if not waiting:
                return troubles
            await asyncio.sleep(POLL)


def _number(runs: Sequence[tuple[Chunk, FlowRun]]) -> int:
    return sum(len(chunk.bots) for chunk, _ in runs)


async def _answer(asked: Awaitable[Got]) -> Got | None:
    """What the server says, or None while it is away: the runs go on, and it will be back."""
    with skip_if_unreachable("waiting for it"):
        return await asked
    return None


async def _end_of(client: PrefectClient, run: FlowRun) -> str | None:
    """None while a run is under way; then what was wrong with its end, or nothing."""
    try:
        now = await client.read_flow_run(run.id)
    except ObjectNotFound:
        return f"its run {run.name} was deleted"
    if now.state is None or not _is_over(now.state):
        return None
    return "" if now.state.is_completed() else f"its run {now.name} ended {now.state.name}"


def _is_over(state: State[Any]) -> bool:
    if not state.is_crashed():
        return state.is_final()
    return datetime.now(UTC) - state.timestamp > GRACE


def look_for_crashed() -> None:
    """Start again what crashed and was forgotten, also runs that somebody started by hand."""
    with get_client(sync_client=True) as client:
        for name in take_up_crashed(client, datetime.now(UTC)):
            log.warning("run %s crashed and was not taken up: started again", name)
