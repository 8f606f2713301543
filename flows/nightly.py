"""Every night: which bots are due, and hand them out."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import Field

from flows.chunks import in_chunks, run_chunks
from flows.requests import BotRequest, RetrainOptions
from tasks.artifacts import show_outcomes, show_table
from tasks.core.errors import HuggingtweetsError
from tasks.core.records import Outcome, Status
from tasks.core.settings import settings
from tasks.night import (
    collect,
    counted,
    keep_plan,
    keep_summary,
    last_ends,
    planned,
    select_due,
    summarised,
)
from tasks.registry.due import NightBudget, Selection
from tasks.registry.entries import Entry
from tasks.tidy import tidy_storage

log = logging.getLogger("huggingtweets")
CHUNK = 20


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
    if (summary := summarised(night)) is not None:
        log.info("night %s: it has ended before: %s", night, _told(summary["counts"]))
        return _end_of(summary)
    if (plan := planned(night)) is None:
        found = select_due(registry or settings().registry, NightBudget(posts, dollars, hours))
        names = [each.entry.bot.name for each in found.chosen]
        plan = keep_plan(night, _plan(found) | {"before": last_ends(names)})
    show_table([*plan["bots"], *plan["left"]] or [{"bot": "none is due"}], f"Due in night {night}")
    requests = [BotRequest.model_validate(each["request"]) for each in plan["bots"]]
    names = [request.name for request in requests]
    if here and (done := _ended_since(plan["before"], names)):
        # Its own process was killed. A run of the deployment knows by itself what it has done.
        log.info("night %s: %d bots were done before it was interrupted", night, len(done))
        requests = [request for request in requests if request.name not in done]
    chunks = in_chunks(requests, chunk, f"night-{night}")
    log.info("night %s: %d bots in %d runs", night, len(requests), len(chunks))

    trouble = await run_chunks(chunks, RetrainOptions(), here=here)
    outcomes = collect(names, plan["before"], trouble)
    show_outcomes(outcomes)
    summary = _summary(night, plan, outcomes)
    for line in summary["bots"]:
        log.info("@%s: %s: %s", line["bot"], line["outcome"], line["reason"])
    log.info("night %s: %s", night, _told(summary["counts"]))
    keep_summary(night, summary)  # after it was told: the disk may be full
    try:
        tidy_storage()
    except HuggingtweetsError as error:
        log.warning("night %s: the storage is not tidied up: %s", night, error)
    return _end_of(summary)


def _tonight() -> str:
    # When the run began first: tried again after midnight, it is the same night still.
    context = FlowRunContext.get()
    first = context.flow_run.start_time if context and context.flow_run else None
    began = first or datetime.now(UTC)
    return f"{began.astimezone(ZoneInfo(settings().timezone)):%Y-%m-%d}"


def _ended_since(before: dict[str, str], names: list[str]) -> set[str]:
    ends = last_ends(names)
    return {name for name in names if ends.get(name) != before.get(name)}


def _end_of(summary: dict[str, Any]) -> Any:
    failed = [each["bot"] for each in summary["bots"] if each["outcome"] == Status.FAILED.value]
    if failed:
        message = f"{len(failed)} of {len(summary['bots'])} bots failed: {', '.join(failed[:10])}"
        return Failed(message=message, data=summary)
    return summary


def request_of(entry: Entry) -> BotRequest:
    """What a bot of the registry is retrained with."""
    options = RetrainOptions(
        base=entry.base,
        filter=entry.filter,
        languages=entry.languages,
        push=entry.push,
        visibility=entry.visibility,
        gated=entry.gated,
        training=entry.spec,
    )
    return BotRequest(name=entry.bot.name, sources=entry.sources, options=options)


def _plan(found: Selection) -> dict[str, Any]:
    chosen = [
        {
            "bot": each.entry.bot.name,
            "why": each.reason,
            "request": request_of(each.entry).model_dump(mode="json"),
        }
        for each in found.chosen
    ]
    left = [{"bot": each.entry.bot.name, "why": why, "request": None} for each, why in found.left]
    return {"began": datetime.now(UTC).isoformat(), "bots": chosen, "left": left}


def _summary(night: str, plan: dict[str, Any], outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "night": night,
        "began": plan["began"],
        "ended": datetime.now(UTC).isoformat(),
        "counts": counted(outcomes),
        "bots": [
            {"bot": each.bot, "outcome": each.status.value, "reason": each.reason}
            for each in outcomes
        ],
        "left": [{"bot": each["bot"], "why": each["why"]} for each in plan["left"]],
    }


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in counts.items()) or "none was due"
