"""What nights did, and what the next one would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.core.errors import BadInput, DamagedState
from tasks.core.names import Bot
from tasks.core.records.bot_outcomes import without_bot
from tasks.operations.machine_names import machine_name
from tasks.operations.night_plan import due_bots, selection_of
from tasks.registry import nights
from tasks.registry.due import NightBudget
from tasks.registry.entries import Entry
from tasks.registry.outcomes import load_outcome
from tasks.storage import Storage


@dataclass(frozen=True)
class Night:
    """A night in numbers. Times are ISO 8601.

    ended: null where it has not, or was killed. counts: bots by outcome. left: bots that were due
    and did not fit into its budget. trouble: why its files cannot be read, or null.
    """

    night: str
    began: str | None
    ended: str | None
    bots: int
    counts: dict[str, int]
    left: int
    trouble: str | None = None


@dataclass(frozen=True)
class BotOfNight:
    """What a night did with a bot; outcome: `planned` where it has not come to it."""

    bot: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class NightReport:
    """What a night did. left: bots that were due, and why they were left for later."""

    night: str
    began: str | None
    ended: str | None
    counts: dict[str, int]
    bots: list[BotOfNight]
    left: list[BotOfNight]


@dataclass(frozen=True)
class DueBot:
    """A bot that is due.

    why: it is; left: why it does not fit into the budget, or null.
    posts, dollars, minutes: what retraining it is expected to use at most.
    """

    bot: str
    why: str
    left: str | None
    posts: int
    dollars: float
    minutes: float


@dataclass(frozen=True)
class NightPreview:
    """What a night would do now. posts, dollars, minutes: of all that it would retrain."""

    registry: str
    bots: int
    due: list[DueBot]
    posts: int
    dollars: float
    minutes: float


def list_nights(storage: Storage) -> list[Night]:
    """All nights that are remembered, the newest first. Raises StorageUnusable."""
    return [_night(storage, name) for name in nights.names(storage)]


def report_of(storage: Storage, night: str) -> NightReport:
    """What a night did, or has done so far. Raises BadInput, DamagedState, StorageUnusable."""
    if (summary := nights.load_summary(storage, night)) is not None:
        return report_from(summary)
    plan = nights.load_plan(storage, night)
    if plan is None:
        known = ", ".join(nights.names(storage)[:5])
        others = f"the last ones: {known}" if known else "no night is recorded yet"
        raise BadInput(f"night {night}: none is recorded; {others}")
    bots = [_so_far(storage, each, plan) for each in plan["bots"]]
    return NightReport(night, plan.get("began"), None, _count(bots), bots, _left(plan))


def report_from(summary: dict[str, Any]) -> NightReport:
    """A night's stored summary, with machine names."""
    bots = [
        BotOfNight(
            each["bot"], machine_name(each["outcome"]), without_bot(each["reason"], each["bot"])
        )
        for each in summary["bots"]
    ]
    return NightReport(
        summary["night"], summary.get("began"), summary.get("ended"), _count(bots), bots,
        _left(summary),
    )  # fmt: skip


def preview(
    storage: Storage, registry: str, entries: tuple[Entry, ...], budget: NightBudget, at: datetime
) -> NightPreview:
    """What a night would do now. Nothing is fetched, trained or written."""
    found = due_bots(storage, entries, at)
    why_left = {each.entry.bot.name: why for each, why in selection_of(found, budget).left}
    due = [
        DueBot(
            each.entry.bot.name, each.reason, why_left.get(each.entry.bot.name), cost.posts,
            round(cost.dollars, 2), round(cost.seconds / 60, 1),
        )
        for each, cost in found
    ]  # fmt: skip
    chosen = [each for each in due if each.left is None]
    return NightPreview(
        registry,
        len(entries),
        due,
        sum(each.posts for each in chosen),
        round(sum(each.dollars for each in chosen), 2),
        round(sum(each.minutes for each in chosen), 1),
    )


def _night(storage: Storage, name: str) -> Night:
    try:
        report = report_of(storage, name)
    except (DamagedState, BadInput) as error:
        return Night(name, None, None, 0, {}, 0, str(error))
    return Night(
        name, report.began, report.ended, len(report.bots), report.counts, len(report.left)
    )


def _so_far(storage: Storage, planned: dict[str, Any], plan: dict[str, Any]) -> BotOfNight:
    name = planned["bot"]
    outcome = load_outcome(storage, Bot.parse(name))
    if outcome is None or outcome.finished_at == plan["before"].get(name):
        return BotOfNight(name, "planned", str(planned.get("why", "")))
    return BotOfNight(name, machine_name(outcome.status.value), outcome.plain_reason)


def _left(of: dict[str, Any]) -> list[BotOfNight]:
    return [BotOfNight(each["bot"], "left", each["why"]) for each in of.get("left", ())]


def _count(bots: list[BotOfNight]) -> dict[str, int]:
    return dict(Counter(each.outcome for each in bots))
