"""Bots in chunks, each a run of `retrain`: started, and waited for."""

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
from tasks.core.sizes import counted
from tasks.orchestration.crashed_runs import restart_crashed
from tasks.orchestration.outages import skip_if_unreachable

log = logging.getLogger("huggingtweets")
Answer = TypeVar("Answer")
RETRAIN = "retrain/retrain"  # the deployment on the training work pool
POLL = 2.0  # seconds
CRASHED_POLL = 30.0  # seconds between two searches for crashed runs
# A crashed run is started again within this time, if at all.
CRASH_GRACE = timedelta(minutes=3)


@dataclass(frozen=True)
class Chunk:
    """Bots for one run; key: of the run, so that starting it twice makes one."""

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
    """Retrain all bots; returns why, by bot, where a bot or its run failed.

    here: in this process, one chunk after the other; else each as a run of the deployment, on
    whichever workers there are.
    """
    if here:
        return await _run_here(chunks, options)
    runs = [(chunk, await _start(chunk, options)) for chunk in chunks]
    return await _wait_for(runs)


async def _run_here(chunks: Sequence[Chunk], options: RetrainOptions) -> dict[str, str]:
    failures, progress = dict[str, str](), _Progress(chunks)
    for chunk in chunks:
        interruption.check()
        state = await retrain(list(chunk.bots), options, return_state=True)
        failures |= _failures(chunk, await state.aresult(raise_on_failure=False))
        progress.add(chunk)
    return failures


def _failures(chunk: Chunk, result: Any) -> dict[str, str]:
    if isinstance(result, BaseException):
        return dict.fromkeys(chunk.names, str(result))
    outcomes: list[Outcome] = result
    return {each.bot: each.reason for each in outcomes if each.status is Status.FAILED}


async def _start(chunk: Chunk, options: RetrainOptions) -> FlowRun:
    parameters = {
        "bots": [bot.model_dump(mode="json") for bot in chunk.bots],
        "options": options.model_dump(mode="json"),
    }
    run = await arun_deployment(
        RETRAIN, parameters=parameters, timeout=0, idempotency_key=chunk.key
    )
    log.info("run %s: %s (%s)", run.name, counted(len(chunk.bots), "bot"), chunk.key)
    return run


async def _wait_for(runs: Sequence[tuple[Chunk, FlowRun]]) -> dict[str, str]:
    waiting, failures = list(runs), dict[str, str]()
    progress = _Progress([chunk for chunk, _ in runs])
    searched = float("-inf")
    async with get_client() as client:
        while waiting:
            if time.monotonic() - searched > CRASHED_POLL:
                searched = time.monotonic()
                await _unless_unreachable(asyncio.to_thread(restart_crashed_runs))
            for chunk, run in list(waiting):
                failure = await _unless_unreachable(_failure_of(client, run))
                if failure is None:
                    continue
                waiting.remove((chunk, run))
                failures |= dict.fromkeys(chunk.names, failure) if failure else {}
                progress.add(chunk)
            await asyncio.sleep(POLL if waiting else 0)
    return failures


async def _unless_unreachable(answer: Awaitable[Answer]) -> Answer | None:
    """The server's answer, or None in an outage: the runs go on, and the server will be back."""
    with skip_if_unreachable("waiting for it"):
        return await answer
    return None


async def _failure_of(client: PrefectClient, run: FlowRun) -> str | None:
    """Why a run failed, or nothing if it did not; None while it is under way."""
    try:
        found = await client.read_flow_run(run.id)
    except ObjectNotFound:
        return f"its run {run.name} was deleted"
    if found.state is None or not _is_over(found.state):
        return None
    return "" if found.state.is_completed() else f"its run {found.name} ended {found.state.name}"


def _is_over(state: State[Any]) -> bool:
    if not state.is_crashed():
        return state.is_final()
    return datetime.now(UTC) - state.timestamp > CRASH_GRACE


def restart_crashed_runs() -> None:
    """Restart crashed runs that the server has missed, also those that somebody started by hand."""
    with get_client(sync_client=True) as client:
        for name in restart_crashed(client, datetime.now(UTC)):
            log.warning("restarted the crashed run %s", name)


class _Progress:
    """Logs how many of all bots are done, and how long the rest will take."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.done, self.total = 0, sum(len(chunk.bots) for chunk in chunks)
        self.began = time.monotonic()

    def add(self, chunk: Chunk) -> None:
        """Log that the bots of a chunk are done."""
        self.done += len(chunk.bots)
        minutes = (time.monotonic() - self.began) / self.done * (self.total - self.done) / 60
        left = f", about {minutes:.0f} minutes left" if self.done < self.total else ""
        log.info("%d of %d bots done%s", self.done, self.total, left)
