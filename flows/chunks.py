"""Hand bots out in chunks, one run of `retrain` each, and wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.flow_runs import arun_deployment
from prefect.states import AwaitingRetry

from flows.requests import BotRequest, RetrainOptions
from flows.retrain import retrain

log = logging.getLogger("huggingtweets")
RETRAIN = "retrain/retrain"  # the deployment on the training work pool
POLL = 2.0  # seconds
# An automation starts a crashed run again at once; where it has not by then, we do.
FORGOTTEN = timedelta(minutes=1)
# A crashed run is started again within this time, if at all.
GRACE = timedelta(minutes=3)
TRIES = 10  # of a run; a bot that takes its process down is left out long before


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
    for chunk in chunks:
        await retrain(list(chunk.bots), options, return_state=True)
        done += len(chunk.bots)
        _tell(done, total, time.monotonic() - begun)
    return {}


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
    waiting, troubles = dict(enumerate(runs)), dict[str, str]()
    begun, total = time.monotonic(), sum(len(chunk.bots) for chunk, _ in runs)
    async with get_client() as client:
        while waiting:
            for number, (chunk, run) in list(waiting.items()):
                now = await client.read_flow_run(run.id)
                if not _is_over(now):
                    await _take_up(client, now)
                    continue
                del waiting[number]
                if now.state is not None and not now.state.is_completed():
                    troubles |= dict.fromkeys(
                        chunk.names, f"its run {now.name} ended {now.state.name}"
                    )
                left = sum(len(each.bots) for each, _ in waiting.values())
                rate = (time.monotonic() - begun) / (total - left)
                log.info(
                    "%d of %d bots done, about %.0f minutes left",
                    total - left,
                    total,
                    rate * left / 60,
                )
            if waiting:
                await asyncio.sleep(POLL)
    return troubles


async def _take_up(client: PrefectClient, run: FlowRun) -> None:
    """Start a crashed run again where the server has forgotten to: SQLite loses events at times."""
    state = run.state
    if state is None or not state.is_crashed() or run.run_count >= TRIES:
        return
    if datetime.now(UTC) - state.timestamp > FORGOTTEN:
        log.warning("run %s crashed and was not taken up: starting it again", run.name)
        await client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=datetime.now(UTC)))


def _is_over(run: FlowRun) -> bool:
    state = run.state
    if state is None or not state.is_final():
        return False
    return not state.is_crashed() or datetime.now(UTC) - state.timestamp > GRACE
