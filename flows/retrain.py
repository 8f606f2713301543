"""Retrain one bot, or a batch of bots, end to end."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import Field

from flows.bot import bring_up_to_date
from flows.pipeline import in_pipeline
from flows.requests import BotRequest, RetrainOptions
from flows.stopping import stoppable
from tasks.artifacts import show_outcomes
from tasks.core import interruption
from tasks.core.records import Outcome, Status
from tasks.forget import remove_opted_out_here
from tasks.operations.retrain_record import has_crashed, now
from tasks.tidy import tidy_here

NAMED = 3  # so many bots are named in the title of a batch's run


def _run_name() -> str:
    names = [BotRequest.model_validate(bot).name for bot in flow_run.parameters["bots"]]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"retrain {', '.join(names[:NAMED])}{more}"


@flow(name="retrain", flow_run_name=_run_name, persist_result=True, result_serializer="json")
async def retrain(
    bots: Annotated[list[BotRequest], Field(min_length=1)], options: RetrainOptions | None = None
) -> Any:
    """Retrain bots; each has its own outcome, and its own run, named after it, if there is work.

    Args:
        bots: The bots, each with the files that its posts come from.
        options: What holds for all that have no options of their own.

    Returns:
        Their outcomes. The run has failed if one of them has, or if it was stopped.
    """
    common = options or RetrainOptions()
    await asyncio.to_thread(remove_opted_out_here)

    async def one(request: BotRequest) -> Outcome:
        if interruption.stop_requested():
            return Outcome(request.name, Status.INTERRUPTED, f"@{request.name}: not begun", now())
        return await bring_up_to_date(request, request.options or common)

    suspects = [request for request in bots if has_crashed(request.bot)]
    others = [request for request in bots if request not in suspects]
    # One by one and at the end: what kills the process then takes no other bot with it.
    with stoppable():
        outcomes = await in_pipeline(others, one) + await in_pipeline(suspects, one, 1)
    order = {request.name: place for place, request in enumerate(bots)}
    await asyncio.to_thread(tidy_here)
    outcomes.sort(key=lambda outcome: order[outcome.bot])
    show_outcomes(outcomes)
    failed = [outcome.bot for outcome in outcomes if outcome.status is Status.FAILED]
    if failed:
        message = f"{len(failed)} of {len(outcomes)} bots failed: {', '.join(failed)}"
        return Failed(message=message, data=outcomes)
    if interruption.stop_requested():
        return Failed(message="stopped on request", data=outcomes)
    return outcomes
