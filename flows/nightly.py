"""Every night: retrain the bots of the registry that are due."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import Field

from flows.chunks import in_chunks, run_chunks
from flows.requests import BotRequest, RetrainOptions, request_of
from tasks.artifacts import show_outcomes, show_table
from tasks.core.errors import HuggingtweetsError
from tasks.core.records import Status
from tasks.core.records.bot_outcomes import without_bot
from tasks.core.settings import settings
from tasks.core.sizes import counted
from tasks.night import (
    collect_outcomes,
    last_outcome_times,
    load_plan,
    load_summary,
    save_plan,
    save_summary,
    select_due,
)
from tasks.operations.idle_nights import night_of
from tasks.operations.night_plan import counts_text, summary_of
from tasks.operations.site_places import place_of
from tasks.registry.due import NightBudget, Selection
from tasks.site import build
from tasks.tidy import tidy_up

log = logging.getLogger("huggingtweets")
CHUNK = 20
# Keys of artifacts, which the nights share, so that the UI shows them as one history.
PLAN, OUTCOMES = "night-plan", "night-outcomes"
# Of records in the log that the command's report says again.
IN_REPORT = {"in_report": True}


def _run_name() -> str:
    return f"night {flow_run.parameters.get('night') or _tonight()}"


@flow(name="nightly", flow_run_name=_run_name, persist_result=True, result_serializer="json")
async def nightly(
    night: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2}(-\d{1,2})?)?$")] = "",
    registry: str = "",
    chunk: Annotated[int, Field(ge=1, le=200)] = CHUNK,
    posts: Annotated[int, Field(ge=0)] | None = None,
    dollars: Annotated[float, Field(ge=0)] | None = None,
    hours: Annotated[float, Field(ge=0)] | None = None,
    *,
    here: bool = False,
) -> Any:
    """Retrain the bots of the registry that are due. Started twice in a night, it does it once.

    Args:
        night: Its date, such as 2026-01-31; left empty, today. 2026-01-31-2 is a second one.
        registry: The file with the bots; left empty, the setting's.
        chunk: How many bots one run retrains.
        posts: The most posts that may be fetched from paid sources.
        dollars: The most that they may cost.
        hours: The most hours of training.
        here: Retrain in this process, instead of on the workers of the training pool.

    Returns:
        What came of each bot. The run has failed if one of them has.
    """
    night = night or _tonight()
    if (summary := load_summary(night)) is not None:
        log.info("night %s has ended before: %s", night, counts_text(summary))
        return _as_state(summary)
    if (plan := load_plan(night)) is None:
        due = select_due(registry or settings().registry, NightBudget(posts, dollars, hours))
        plan = save_plan(night, _plan(due))
    show_table(_rows(plan), f"Due in night {night}", PLAN)
    requests = [BotRequest.model_validate(each["request"]) for each in plan["bots"]]
    names = [request.name for request in requests]
    if here:
        requests = _not_done_before(requests, night, plan["before"])
    chunks = in_chunks(requests, chunk, f"night-{night}")
    log.info("night %s: %s, flow runs: %d", night, counted(len(requests), "bot"), len(chunks))

    failures = await run_chunks(chunks, RetrainOptions(), here=here)
    outcomes = collect_outcomes(names, plan["before"], failures)
    show_outcomes(outcomes, OUTCOMES, f"Outcomes of night {night}")
    summary = summary_of(night, plan, outcomes)
    for each in summary["bots"]:
        reason = without_bot(each["reason"], each["bot"])
        log.info("@%s: %s: %s", each["bot"], each["outcome"], reason, extra=IN_REPORT)
    log.info("night %s: %s", night, counts_text(summary), extra=IN_REPORT)
    save_summary(night, summary)  # after the log, since the disk may be full
    _build_site(night)
    _tidy(night)
    return _as_state(summary)


def _tonight() -> str:
    # When the run began first: tried again after midnight, it is the same night still.
    context = FlowRunContext.get()
    first = context.flow_run.start_time if context and context.flow_run else None
    began = first or datetime.now(UTC)
    return night_of(began)


def _plan(due: Selection) -> dict[str, Any]:
    chosen = [
        {
            "bot": each.entry.bot.name,
            "why": each.reason,
            "request": request_of(each.entry).model_dump(mode="json"),
        }
        for each in due.chosen
    ]
    left = [{"bot": each.entry.bot.name, "why": why, "request": None} for each, why in due.left]
    before = last_outcome_times([each.entry.bot.name for each in due.chosen])
    return {"began": datetime.now(UTC).isoformat(), "bots": chosen, "left": left, "before": before}


def _rows(plan: dict[str, Any]) -> list[dict[str, str]]:
    """The plan as people read it."""
    due = [{"bot": f"@{each['bot']}", "why": each["why"]} for each in plan["bots"]]
    if not plan["left"]:
        return due or [{"bot": "none", "why": "no bot is due"}]
    left = [{"bot": f"@{each['bot']}", "why": "due", "left": each["why"]} for each in plan["left"]]
    return [*({**each, "left": ""} for each in due), *left]


def _not_done_before(
    requests: list[BotRequest], night: str, before: dict[str, str]
) -> list[BotRequest]:
    """The bots left to do by a night whose own process was killed; a deployment's runs know it."""
    times = last_outcome_times([request.name for request in requests])
    left = [each for each in requests if times.get(each.name) == before.get(each.name)]
    if done := len(requests) - len(left):
        log.info("night %s: %d bots were done before it was interrupted", night, done)
    return left


def _tidy(night: str) -> None:
    try:
        tidy_up()
    except (HuggingtweetsError, OSError) as error:
        log.warning("night %s: not everything is tidied up: %s", night, error)


def _build_site(night: str) -> None:
    if not settings().site:
        return
    try:
        built = build(place_of(""))
    except (HuggingtweetsError, OSError) as error:
        log.warning("night %s: the site is not up to date: %s", night, error)
        return
    log.info("night %s: site %s: %d files written", night, built.place, built.written)


def _as_state(summary: dict[str, Any]) -> Any:
    failed = [each["bot"] for each in summary["bots"] if each["outcome"] == Status.FAILED.value]
    if failed:
        message = f"{len(failed)} of {len(summary['bots'])} bots failed: {', '.join(failed[:10])}"
        return Failed(message=message, data=summary)
    return summary
