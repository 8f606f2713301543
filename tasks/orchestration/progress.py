"""Progress of a training, in the log (terminal and Prefect) and as a bar in the UI."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.core.names import Bot
from tasks.core.records import Progress
from tasks.orchestration.outages import skip_if_unreachable, wait_for_server

log = logging.getLogger("huggingtweets")
SECONDS_BETWEEN = 5.0
_DESCRIBED = re.compile(
    r"@(\S+) training +(\d+) % · ([\d,]+) tokens/s · loss ([\d.]+|nan|inf)"
    r"(?: · held-out ([\d.]+|nan|inf))? · (\d+):(\d\d) left"
)


def describe(bot: Bot, progress: Progress) -> str:
    """One line: share done, tokens a second, losses in nats a token, time left."""
    share = 100 * progress.done / max(progress.total, 1)
    held_out = "" if progress.held_out is None else f" · held-out {progress.held_out:.3f}"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return (
        f"@{bot} training {share:3.0f} % · {progress.tokens_per_second:,.0f} tokens/s"
        f" · loss {progress.loss:.3f}{held_out} · {minutes}:{seconds:02d} left"
    )


def described(line: str) -> tuple[Bot, Progress] | None:
    """What `describe` has put in a line; None for other lines.

    `done` and `total` are in percent, as the line has them.
    """
    found = _DESCRIBED.fullmatch(line)
    if found is None:
        return None
    percent, speed, loss, held_out, minutes, seconds = found.groups()[1:]
    progress = Progress(
        done=int(percent),
        total=100,
        tokens_per_second=float(speed.replace(",", "")),
        loss=float(loss),
        held_out=None if held_out is None else float(held_out),
        seconds_left=60.0 * int(minutes) + int(seconds),
    )
    return Bot.parse(found[1]), progress


def reporter(bot: Bot) -> Callable[[Progress], None]:
    """A callback for the engine that reports at most every few seconds, and at the end."""
    # In a task, where this runs, Prefect's call is not a coroutine.
    artifact = wait_for_server(
        lambda: cast(
            "UUID", create_progress_artifact(progress=0.0, description=f"Training of @{bot}")
        )
    )
    last, drawn = time.monotonic(), 0.0

    def report(progress: Progress) -> None:
        nonlocal last, drawn
        finished = progress.done >= progress.total
        if not finished and time.monotonic() - last < SECONDS_BETWEEN:
            return
        last = time.monotonic()
        percent = 100 * progress.done / max(progress.total, 1)
        log.info("%s", describe(bot, progress), extra={"percent": percent, "subject": f"@{bot}"})
        if percent != drawn:  # the end is reported after the last step, and after its evaluation
            _draw(artifact, percent)
        drawn = percent

    return report


def _draw(artifact: UUID, percent: float) -> None:
    with skip_if_unreachable("training goes on"):
        update_progress_artifact(artifact, progress=percent)
