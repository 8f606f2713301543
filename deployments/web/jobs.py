"""Bots in the making: what a visitor's files were understood as, consent, progress, and the end."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from deployments.web.bot_sources import FromFile, FromService, UsedFile, checked_handle
from deployments.web.child_process import ChildProcess
from deployments.web.run_progress import CURATE, MEASURE, PUBLISH, TRAIN
from deployments.web.uploads import Uploads
from tasks.core.errors import BadInput, HuggingtweetsError
from tasks.core.names import Bot, Handle
from tasks.operations.consents import Consent, add_consents
from tasks.storage import storage_root

_MOST_UNFINISHED = 4
_MOST_FINISHED = 20
_LINES = 200  # of a job's log
_POINTS = 500  # of its loss curve
_PATIENCE = 60 * 60.0  # seconds that a job waits for consent
_STOPPING = 60.0  # seconds that a training may take to end in order
_log = logging.getLogger("huggingtweets")


class Phase(StrEnum):
    """How far a job is."""

    READING = "reading"
    CONSENT = "consent"  # it waits for it
    WAITING = "waiting"  # for the bot before it
    MAKING = "making"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


IMPORT = "import"
STEPS = (IMPORT, CURATE, TRAIN, MEASURE, PUBLISH)
_NOT_BEGUN = {"state": None, "seconds": None}
_ENDS = (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


class TooManyJobs(Exception):
    """As many bots as are made at a time."""


@dataclass(eq=False)
class Job:
    """A bot in the making.

    id: what nobody can guess. understood: as `understand` answers. progress: of each step that has
    begun, by its name: its state, and its seconds. training: as its last `Progress`, or None.
    curve: percent of the training, loss, and the held-out loss where it was measured anew.
    run: the state of the run that workers make it in. reason: of the outcome, or why it has failed.
    """

    sources: Sequence[UsedFile | FromService]
    uploads: Sequence[str]
    base: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    phase: Phase = Phase.READING
    understood: dict[str, Any] | None = None
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    training: dict[str, Any] | None = None
    curve: list[tuple[float, float | None, float | None]] = field(default_factory=list)
    run: str | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))
    outcome: str | None = None
    reason: str | None = None
    child: ChildProcess | None = None
    agreed: asyncio.Event = field(default_factory=asyncio.Event)
    is_cancelled: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_ended(self) -> bool:
        """Whether nothing more happens."""
        return self.phase in _ENDS

    def shown(self) -> dict[str, Any]:
        """What a page shows of it."""
        return {
            "phase": self.phase,
            "bot": self.understood["bot"] if self.understood else None,
            "understood": self.understood,
            "base": self.base,
            "steps": [{"step": each, **self.progress.get(each, _NOT_BEGUN)} for each in STEPS],
            "percent": _percent(self.training) if self.training else 0,
            "tokens_per_second": self.training and self.training["tokens_per_second"],
            "seconds_left": self.training and self.training["seconds_left"],
            "curve": self.curve,
            "run": self.run,
            "log": list(self.lines),
            "outcome": self.outcome,
            "reason": self.reason,
        }

    def change(self, **values: Any) -> None:
        """Set fields, and wake those who watch."""
        for name, value in values.items():
            setattr(self, name, value)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def states(self, interval: float = 0.3) -> AsyncIterator[dict[str, Any]]:
        """What a page shows, again after each change, but no sooner than `interval` seconds."""
        while True:
            changed = self._changed
            yield self.shown()
            if self.is_ended:
                return
            await changed.wait()
            await asyncio.sleep(interval)

    def note(self, line: str) -> None:
        """Take over a log line."""
        self.lines.append(line)
        self.change()

    def follow(self, found: Mapping[str, Any]) -> None:
        """Take over the progress of the run in which the bot is made."""
        for each in found["steps"]:
            self.progress[each["step"]] = {"state": each["state"], "seconds": each["seconds"]}
        training = found["training"]
        if training is not None and training != self.training:
            self._draw(training)
            self.training = training
        self.change(run=found.get("run"))

    def _draw(self, training: Mapping[str, Any]) -> None:
        percent = _percent(training)
        if self.curve and percent < self.curve[-1][0]:
            self.curve = []  # a warm start was held back, and the training starts from the base
        known = self.training["held_out"] if self.training and self.curve else None
        held_out = _finite(training["held_out"])
        if len(self.curve) >= _POINTS:
            self.curve = [each for n, each in enumerate(self.curve) if n % 2 == 0 or each[2]]
        self.curve.append(
            (percent, _finite(training["loss"]), None if held_out == known else held_out)
        )


def _percent(training: Mapping[str, Any]) -> float:
    return float(round(100 * training["done"] / max(training["total"], 1), 1))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Jobs:
    """All jobs; one bot is made at a time."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._place = asyncio.Lock()

    def find(self, name: str) -> Job | None:
        """The job with this id."""
        return self._jobs.get(name)

    def start(self, asked: Sequence[FromFile | FromService], base: str) -> Job:
        """Read what is asked for. Raises TooManyJobs, BadInput."""
        unfinished = [each for each in self._jobs.values() if not each.is_ended]
        if len(unfinished) >= _MOST_UNFINISHED:
            raise TooManyJobs
        used: list[str] = []
        try:
            sources = [self._used(each, used) for each in asked]
        except HuggingtweetsError:
            self._free(used)
            raise
        job = Job(sources, used, base)
        self._jobs[job.id] = job
        self._forget_old()
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def _used(self, asked: FromFile | FromService, used: list[str]) -> UsedFile | FromService:
        if isinstance(asked, FromService):
            checked_handle(asked)
            return asked
        if asked.handle:
            Handle.parse(asked.handle)
        upload = self._uploads.use(asked.upload)
        used.append(upload.id)
        return UsedFile(path=upload.path, asked=asked)

    def _free(self, uploads: Sequence[str]) -> None:
        for each in uploads:
            self._uploads.remove(each)

    def _forget_old(self) -> None:
        ended = [each for each in self._jobs.values() if each.is_ended]
        for each in ended[: max(0, len(ended) - _MOST_FINISHED)]:
            del self._jobs[each.id]

    async def agree(self, job: Job, given_by: str) -> None:
        """Record consent, and go on. Raises BadInput, DamagedState, StorageUnusable."""
        if job.phase is not Phase.CONSENT or job.understood is None:
            raise BadInput(f"this bot does not wait for consent: it is {job.phase.value}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        given = [
            Consent(each["handle"], each["source"], each["file"], given_by, now)
            for each in job.understood["sources"]
        ]
        job.change(phase=Phase.WAITING)  # at once, so that nobody agrees twice
        try:
            bot = Bot.parse(job.understood["bot"])
            await asyncio.to_thread(add_consents, storage_root(), bot, given)
        except HuggingtweetsError:
            job.change(phase=Phase.CONSENT)
            raise
        job.agreed.set()

    def cancel(self, job: Job) -> None:
        """Have a job end soon."""
        job.is_cancelled = True
        job.agreed.set()
        if job.child is not None:
            job.child.send({"stop": 1})
            if job.phase is Phase.READING:
                job.child.terminate()

    async def _run(self, job: Job) -> None:
        try:
            await self._read(job)
            if job.phase is Phase.CONSENT:
                await self._consent(job)
            if not job.is_ended:
                async with self._place:
                    await self._make(job)
        except Exception as error:  # noqa: BLE001 - the visitor sees the job end, whatever it was
            _log.exception("a bot could not be made")
            job.change(phase=Phase.FAILED, reason=f"an unexpected error: {type(error).__name__}")
        finally:
            self._free(job.uploads)
            if job.child is not None:
                await job.child.stop()

    async def _consent(self, job: Job) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(job.agreed.wait(), _PATIENCE)
        if job.phase is Phase.CONSENT:
            job.change(phase=Phase.CANCELLED)

    async def _read(self, job: Job) -> None:
        answer: dict[str, Any] = {}
        job.child = await ChildProcess.start("deployments.web.understand")
        job.child.send({"id": 1, "sources": _dumped(job.sources)})
        async for given in job.child.answers():
            answer = given
        if job.is_cancelled:
            job.change(phase=Phase.CANCELLED)
        elif "understood" in answer:
            job.change(phase=Phase.CONSENT, understood=answer["understood"])
        else:
            status = await job.child.wait()
            reason = answer.get("error") or f"the process that read it ended with status {status}"
            job.change(phase=Phase.FAILED, reason=reason)

    async def _make(self, job: Job) -> None:
        if job.is_cancelled or job.understood is None:
            job.change(phase=Phase.CANCELLED)
            return
        began = time.monotonic()
        job.change(phase=Phase.MAKING, progress={IMPORT: {"state": "running", "seconds": None}})
        job.child = child = await ChildProcess.start("deployments.web.make_bot")
        child.send(
            {
                "id": 1,
                "bot": job.understood["bot"],
                "sources": _dumped(job.sources),
                "base": job.base,
            }
        )
        async for answer in child.answers():
            if "log" in answer:
                job.note(answer["log"])
            elif "progress" in answer:
                job.follow(answer["progress"])
            elif "imported" in answer:
                seconds = time.monotonic() - began
                job.progress[IMPORT] = {"state": "done", "seconds": seconds}
                job.change()
                self._free(job.uploads)
            elif "error" in answer:
                job.reason = answer["error"]
            else:
                job.outcome, job.reason = answer["outcome"], answer["reason"]
        status = await child.wait()
        self._end(job, status)

    def _end(self, job: Job, status: int) -> None:
        if job.outcome in ("released", "unchanged"):
            job.change(phase=Phase.DONE)
        elif job.is_cancelled:
            job.change(phase=Phase.CANCELLED)
        else:
            reason = job.reason or (
                f"the process that made it ended with status {status}; its error is printed where "
                "this page was started"
            )
            job.change(phase=Phase.FAILED, reason=reason)

    async def close(self) -> None:
        """End whatever runs here, in order where that is possible; what workers make goes on."""
        for job in self._jobs.values():
            job.is_cancelled = True
            job.agreed.set()
            if job.child is not None:
                job.child.terminate()
        for task in [*self._tasks]:
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(task, _STOPPING)


def _dumped(sources: Sequence[UsedFile | FromService]) -> list[dict[str, Any]]:
    return [each.model_dump(mode="json") for each in sources]
