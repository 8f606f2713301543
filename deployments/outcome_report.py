"""What a retrain ends with: of each bot its counts, losses, some posts, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    what = f"@{outcome.bot}: {outcome.status.value}: {outcome.plain_reason}"
    console.say(console.for_terminal(what))
    if outcome.status.value in ("released", "held back"):
        for handle, counts in (outcome.corpus.counts if outcome.corpus else {}).items():
            console.say(f"  posts      {counts_text(handle, counts)}")
        if outcome.evaluation:
            _print_evaluation(outcome.evaluation, posts)
    if outcome.release:
        _print_release(outcome.release)


def counts_text(handle: str, counts: Counts) -> str:
    """An account's posts in numbers: what was kept, and what was dropped and why."""
    dropped = "".join(f" + {number:,} {reason}" for reason, number in counts.dropped.items())
    return f"@{handle}: {counts.downloaded:,} = {counts.kept:,} kept{dropped}"


def _print_evaluation(evaluation: Evaluation, number: int) -> None:
    base, bot = evaluation.base_loss, evaluation.bot_loss
    console.say(f"  loss       {base:.3f} before training, {bot:.3f} now (nats a held-out token)")
    fresh = [each.text for each in evaluation.predictions if not each.repeats]
    for place, text in enumerate(fresh[:number]):
        console.say(f"  {'it writes' if place == 0 else '':9}  · {console.for_terminal(text)}")


def _print_release(release: Release) -> None:
    from tasks.storage import storage_root

    storage = storage_root()
    for name, file in (("card", "README.md"), ("picture", "predictions.png")):
        console.say(f"  {name:9}  {storage.location(f'{release.folder}/{file}')}")
    if release.hub:
        console.say(f"  on the Hub {release.hub}")
    console.say(f'  next       huggingtweets generate {release.bot} "My dream is"')
