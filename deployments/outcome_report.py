"""What a retrain ends with: of each bot its counts, losses, some posts, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deployments import console

if TYPE_CHECKING:
    from tasks.core.records import Counts, Evaluation, Outcome, Release

_POSTS = 3
_DETAILED = 5  # bots at most that are reported with details


def print_reports(outcomes: Sequence[Outcome]) -> None:
    """Print what became of each bot; of a few bots with details."""
    if len(outcomes) > _DETAILED:
        console.print_outcomes(outcomes)
        return
    for number, outcome in enumerate(outcomes):
        if number:
            console.say()
        print_report(outcome)


def print_report(outcome: Outcome, posts: int = _POSTS) -> None:
    """Print what became of a bot: of a new release everything, of others the reason."""
    console.say_folded(f"@{outcome.bot}: {outcome.status.value}: {outcome.plain_reason}")
    fields: dict[str, Any] = {}
    if outcome.status.value in ("released", "held back"):
        accounts = outcome.corpus.counts if outcome.corpus else {}
        fields["posts"] = [counts_text(handle, counts) for handle, counts in accounts.items()]
        if outcome.evaluation:
            fields |= _measured(outcome.evaluation, posts)
    if outcome.release:
        fields |= _places(outcome.release)
    console.print_fields({name: value for name, value in fields.items() if value})


def counts_text(handle: str, counts: Counts) -> str:
    """An account's posts in numbers: what was kept, and what was dropped and why."""
    dropped = "".join(f" + {number:,} {reason}" for reason, number in counts.dropped.items())
    return f"@{handle}: {counts.downloaded:,} = {counts.kept:,} kept{dropped}"


def _measured(evaluation: Evaluation, number: int) -> dict[str, Any]:
    base, bot = evaluation.base_loss, evaluation.bot_loss
    return {
        "loss": f"{base:.3f} before training, {bot:.3f} now (nats a held-out token)",
        "it writes": [f"· {text}" for text in evaluation.new_texts[:number]],
    }


def _places(release: Release) -> dict[str, Any]:
    from tasks.storage import storage_root

    storage = storage_root()
    return {
        "card": console.shown_path(storage.location(f"{release.folder}/README.md")),
        "picture": console.shown_path(storage.location(f"{release.folder}/predictions.png")),
        "on the Hub": release.hub,
        "next": f'huggingtweets generate {release.bot} "My dream is"',
    }
