"""What a run's page in the Prefect UI shows: counts, predictions, picture, outcomes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import task
from prefect.artifacts import (
    create_image_artifact,
    create_table_artifact,
)

from tasks.core.names import Bot
from tasks.core.records import Corpus, Evaluation, Gate, Outcome, Release, Status
from tasks.orchestration.outages import RETRY_IN_OUTAGE
from tasks.publishing.escaping import plain
from tasks.storage import storage_root


@task(name="show counts", **RETRY_IN_OUTAGE)
def show_corpus(corpus: Corpus) -> None:
    """A table of what became of each handle's posts."""
    rows = [
        {
            "handle": f"@{handle}",
            "downloaded": counts.downloaded,
            **counts.dropped,
            "kept": counts.kept,
        }
        for handle, counts in corpus.counts.items()
    ]
    create_table_artifact(table=rows, description=f"Posts of @{corpus.bot}, filter {corpus.filter}")


@task(name="show release", **RETRY_IN_OUTAGE)
def show_release(release: Release, evaluation: Evaluation) -> None:
    """The losses and predictions as a table, and the picture as a picture."""
    losses = f"held-out loss {evaluation.bot_loss:.3f}, base {evaluation.base_loss:.3f}"
    rows = [
        {"start": p.start, "prediction": plain(p.text, 500), "repeats a post": p.repeats}
        for p in evaluation.predictions
    ]
    # A table, since the UI shows the entities of escaped Markdown as they are written.
    create_table_artifact(table=rows, description=f"Predictions of @{release.bot}, {losses}")
    picture = storage_root().read(f"{release.folder}/predictions.png")
    # The UI has no other way to a file of the storage than to be given its bytes.
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    create_image_artifact(image_url=url, description=f"@{release.bot} at {release.revision}")


@task(name="show gate", **RETRY_IN_OUTAGE)
def show_gate(bot: Bot, gate: Gate) -> None:
    """Whether the bot may be released, and the three figures that decide it."""
    rows = [{"condition": reason} for reason in gate.reasons]
    verdict = "passes" if gate.passed else "is held back by"
    create_table_artifact(table=rows, description=f"@{bot} {verdict} the gate")


@task(name="show table", **RETRY_IN_OUTAGE)
def show_table(rows: Sequence[Mapping[str, Any]], description: str, key: str | None = None) -> None:
    """Rows of equal keys; tables of one `key` are each other's history."""
    create_table_artifact(key=key, table=[dict(row) for row in rows], description=description)


@task(name="show outcomes", **RETRY_IN_OUTAGE)
def show_outcomes(
    outcomes: Sequence[Outcome], key: str | None = None, description: str = "Outcomes"
) -> None:
    """A line for each bot of a batch, the failed ones first; `key` as above."""
    rows = [
        {
            "bot": f"@{outcome.bot}",
            "outcome": outcome.status.value,
            "reason": outcome.plain_reason,
        }
        for outcome in sorted(outcomes, key=lambda each: each.status is not Status.FAILED)
    ]
    create_table_artifact(key=key, table=rows, description=description)
