"""Progress of a training, in the log (terminal and Prefect) and as a bar in the UI."""

from __future__ import annotations

import logging
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


def describe(bot: Bot, progress: Progress) -> str:
    """One line: share done, tokens a second, losses in nats a token, time left."""
    share = 100 * progress.done / max(progress.total, 1)
    held_out = "" if progress.held_out is None else f" · held-out {progress.held_out:.3f}"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return (
        f"@{bot} training {share:3.0f} % · {progress.tokens_per_second:,.0f} tokens/s"
        f" · loss {progress.loss:.3f}{held_out} · {minutes}:{seconds:02d} left"
    )


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
