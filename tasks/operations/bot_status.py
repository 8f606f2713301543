"""How each bot fares: its last outcome, its release, and whether it is parked."""

from __future__ import annotations

import math
from typing import Any

from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Bot
from tasks.core.records import Outcome
from tasks.publishing.releases import evaluation_of, latest_release
from tasks.registry.outcomes import load_outcomes
from tasks.registry.state import BotState, load_states
from tasks.storage import Storage


def statuses(storage: Storage) -> list[dict[str, Any]]:
    """A row for each bot that had an outcome, by name."""
    outcomes, states = load_outcomes(storage), load_states(storage)
    damaged = {**outcomes.damaged, **states.damaged}
    return [
        _row(
            storage,
            name,
            outcomes.values.get(name),
            states.values.get(name, BotState()),
            damaged.get(name),
        )
        for name in sorted({*outcomes.values, *damaged})
    ]


def _row(
    storage: Storage,
    name: str,
    outcome: Outcome | None,
    state: BotState,
    error: HuggingtweetsError | None,
) -> dict[str, Any]:
    """One bot; error: a damaged file of it, which is shown instead of the outcome's reason."""
    counts = outcome.corpus.counts.values() if outcome and outcome.corpus else ()
    release, evaluation = None, outcome.evaluation if outcome else None
    try:
        # Not the outcome's release: after a failed retrain the earlier one is still in force.
        if release := latest_release(storage, Bot.parse(name)):
            evaluation = evaluation_of(storage, release)
    except HuggingtweetsError as unreadable:
        error = error or unreadable
    loss = evaluation.bot_loss if evaluation else math.nan
    until = state.next_attempt_at
    return {
        "bot": f"@{name}",
        "posts": sum(c.downloaded for c in counts),
        "kept": sum(c.kept for c in counts),
        "release": release.revision if release else "–",
        "held-out loss": loss if math.isfinite(loss) else "–",
        "outcome": outcome.status.value if outcome else "–",
        "when": outcome.finished_at if outcome else "–",
        "not before": until.isoformat(timespec="minutes") if until else "–",
        "parked": bool(state.parked),
        "reason": str(error) if error else outcome.reason if outcome else "–",
    }
