"""What `--json` prints, with the same names in every command.

`python -m deployments.cli.json_output > docs/json-output.json` writes down the schemas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployments import console

if TYPE_CHECKING:
    from tasks.core.records import Outcome


@dataclass(frozen=True)
class Retrained:
    """What became of a bot in a retrain. Times are ISO 8601; what is not known is null.

    outcome: released, unchanged, held_back, skipped, interrupted or failed; reason: why.
    release: its revision; folder: where it lies; hub: its URL, if it was pushed.
    base_loss, held_out_loss: nats a token, before training and after.
    """

    bot: str
    outcome: str
    reason: str
    finished_at: str
    posts: int | None
    kept: int | None
    base_loss: float | None
    held_out_loss: float | None
    release: str | None
    folder: str | None
    hub: str | None


def retrained(outcome: Outcome) -> Retrained:
    """An outcome with machine names."""
    from tasks.operations.machine_names import machine_name
    from tasks.storage import storage_root

    corpus, release, evaluation = outcome.corpus, outcome.release, outcome.evaluation
    return Retrained(
        bot=outcome.bot,
        outcome=machine_name(outcome.status.value),
        reason=outcome.plain_reason,
        finished_at=outcome.finished_at,
        posts=corpus.downloaded if corpus else None,
        kept=corpus.kept if corpus else None,
        base_loss=evaluation.base_loss if evaluation else None,
        held_out_loss=evaluation.bot_loss if evaluation else None,
        release=release.revision if release else None,
        folder=storage_root().location(release.folder) if release else None,
        hub=release.hub if release else None,
    )


def print_as_json(outcomes: Sequence[Outcome]) -> None:
    """Print the outcomes of a retrain."""
    console.print_json([retrained(outcome) for outcome in outcomes])


def shapes() -> dict[str, Any]:
    """What each command prints as JSON, by the command."""
    from tasks.curation.examples import Example
    from tasks.operations.bot_deletion import Deletion
    from tasks.operations.bot_status import BotDetails, BotStatus
    from tasks.operations.curating import Curation
    from tasks.operations.diagnosis import Finding
    from tasks.operations.night_reports import Night, NightPreview, NightReport
    from tasks.operations.site_building import Built
    from tasks.operations.tidying import Freed
    from tasks.publishing.release_history import KeptRelease

    return {
        "status": list[BotStatus],
        "status BOT": BotDetails,
        "curate": Curation,
        "curate --show": list[Example],
        "retrain": list[Retrained],
        "releases": list[KeptRelease],
        "rollback": KeptRelease,
        "refresh": KeptRelease,
        "delete": Deletion,
        "site": list[Built],
        "nights": list[Night],
        "nights DATE": NightReport,
        "nightly": NightReport,
        "nightly --dry-run": NightPreview,
        "tidy": Freed,
        "doctor": list[Finding],
    }


def schemas() -> dict[str, Any]:
    """The JSON schema of what each command prints, by the command."""
    from pydantic import TypeAdapter

    return {
        command: TypeAdapter(shape).json_schema(mode="serialization")
        for command, shape in shapes().items()
    }


if __name__ == "__main__":
    console.print_json(schemas())
