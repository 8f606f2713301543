"""The gate: whether a bot is good enough to take the place of the released one.

The default tolerance is 0.1 nats a token. Both are measured on the same posts, so the posts' own
spread does not count; what is left is that of trainings that differ by their seed alone: 0.02 to
0.11 nats for small accounts (220 and 322 posts, three seeds each), besides two of the six that went
wrong by 0.15 and 0.5, for which the gate is there. The default limit on repeats is 5 %: repeated
posts are what users of the original complained of most.
"""

from __future__ import annotations

import math

from tasks.core.records import Evaluation, Gate, GateFigures
from tasks.core.settings import settings


def verdict_on(evaluation: Evaluation) -> Gate:
    """The verdict by the settings' tolerance and limit."""
    return judge(evaluation, settings().gate_tolerance, settings().gate_repeats)


def judge(evaluation: Evaluation, tolerance: float, limit: float) -> Gate:
    """Whether the bot may be released.

    It must beat its base on the held-out posts, must not be worse than the released version by
    more than `tolerance` (nats a token) on the same posts, and must repeat training posts in a
    smaller share of its samples than `limit` (0 to 1). Losses that are no numbers do not pass.
    """
    figures = figures_of(evaluation)
    conditions = [
        _beats_base(evaluation, figures),
        _keeps_up(evaluation, figures, tolerance),
        _writes_its_own(evaluation, figures, limit),
    ]
    return Gate(
        passed=all(met for met, _ in conditions),
        reasons=tuple(sentence for _, sentence in conditions),
        figures=figures,
    )


def figures_of(evaluation: Evaluation) -> GateFigures:
    """The three figures that the gate looks at."""
    released, compared = evaluation.released_loss, evaluation.compared_loss
    return GateFigures(
        better_than_base=evaluation.base_loss - evaluation.bot_loss,
        worse_than_released=None if released is None or compared is None else compared - released,
        repeated_share=evaluation.repeated_share,
    )


def _beats_base(evaluation: Evaluation, figures: GateFigures) -> tuple[bool, str]:
    met = figures.better_than_base > 0
    losses = f"held-out loss {evaluation.bot_loss:.3f}, base {evaluation.base_loss:.3f}"
    return met, f"{losses}: {'better' if met else 'not better'} than the base"


def _keeps_up(evaluation: Evaluation, figures: GateFigures, tolerance: float) -> tuple[bool, str]:
    worse = figures.worse_than_released
    if worse is None:
        return True, "no release to compare with"
    met = math.isfinite(worse) and worse <= tolerance
    place = f"{abs(worse):.3f} {'worse' if worse > 0 else 'better'}"
    allowed = f"with {tolerance:.3f} worse allowed" if met else f"over the {tolerance:.3f} allowed"
    return met, (
        f"{evaluation.compared_loss:.3f} against the release's {evaluation.released_loss:.3f} on "
        f"the same {evaluation.compared_posts} posts: {place}, {allowed}"
    )


def _writes_its_own(evaluation: Evaluation, figures: GateFigures, limit: float) -> tuple[bool, str]:
    # A share of nothing is no fault, even where the limit is zero.
    met = figures.repeated_share < limit or figures.repeated_share == 0
    number = evaluation.samples or len(evaluation.predictions)
    return met, (
        f"{figures.repeated_share:.0%} of {number} samples repeat training posts: "
        f"{'below' if met else 'not below'} the limit of {limit:.0%}"
    )
