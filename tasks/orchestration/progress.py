"""Progress of a training, in the log (terminal and Prefect) and as a bar in the UI.

The bar is an artifact of the run; all else of the progress is in its metadata, for programs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import Artifact
from pydantic import TypeAdapter, ValidationError

from tasks.core.names import Bot
from tasks.core.records import Progress
from tasks.orchestration.outages import skip_if_unreachable, wait_for_server

log = logging.getLogger("huggingtweets")
SECONDS_BETWEEN = 5.0
_PROGRESS = TypeAdapter(Progress)


def describe(bot: Bot, progress: Progress) -> str:
    """One line: share done, time left, losses in nats a token, tokens a second.

    In this order, since a narrow terminal shows its beginning only.
    """
    share = 100 * progress.done / max(progress.total, 1)
    held_out = "" if progress.held_out is None else f" · held-out {progress.held_out:.3f}"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    left = f" · {minutes}:{seconds:02d} left" if progress.done < progress.total else ""
    return (
        f"@{bot} training {share:.0f} %{left} · loss {progress.loss:.3f}{held_out}"
        f" · {progress.tokens_per_second:,.0f} tokens/s"
    )


def as_metadata(progress: Progress) -> dict[str, str]:
    """The progress as an artifact can hold it."""
    return {name: str(value) for name, value in asdict(progress).items() if value is not None}


def progress_in(artifact: Artifact) -> Progress | None:
    """What `reporter` has put into an artifact; None before the first report, or of others."""
    values: Mapping[str, str] = artifact.metadata_ or {}
    try:
        return _PROGRESS.validate_python({"held_out": None, **values})
    except ValidationError:
        return None


def reporter(bot: Bot) -> Callable[[Progress], None]:
    """A callback for the engine that reports at most every few seconds, and at the end."""
    # In a task, where this runs, Prefect's call is not a coroutine.
    artifact = wait_for_server(
        lambda: cast(
            "UUID", create_progress_artifact(progress=0.0, description=f"Training of @{bot}")
        )
    )
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        finished = progress.done >= progress.total
        if not finished and time.monotonic() - last < SECONDS_BETWEEN:
            return
        last = time.monotonic()
        percent = 100 * progress.done / max(progress.total, 1)
        log.info("%s", describe(bot, progress), extra={"percent": percent, "subject": f"@{bot}"})
        _draw(artifact, percent, progress)

    return report


def _draw(artifact: UUID, percent: float, progress: Progress) -> None:
    update = ArtifactUpdate(data=percent, metadata_=as_metadata(progress))
    with skip_if_unreachable("training goes on"), get_client(sync_client=True) as client:
        client.update_artifact(artifact, update)
