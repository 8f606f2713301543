"""A long list of handles, once: those that have no fresh release yet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import Field

from flows.chunks import in_chunks, run_chunks
from flows.requests import BotRequest, HandleName, RetrainOptions
from tasks.artifacts import show_outcomes, show_table
from tasks.backfill import fresh_bots
from tasks.core.records import Status
from tasks.night import (
    collect_outcomes,
    delete_plan,
    last_outcome_times,
    load_plan,
    save_plan,
)
from tasks.operations.night_plan import count_statuses
from tasks.registry.handle_lists import read_list

log = logging.getLogger("huggingtweets")


@flow(name="backfill", persist_result=True, result_serializer="json")
async def backfill(
    handles: tuple[HandleName, ...] = (),
    file: str = "",
    source: Literal["community_archive", "x_api", "bluesky", "stored"] = "x_api",
    options: RetrainOptions | None = None,
    fresh_days: Annotated[float, Field(ge=0)] = 7,
    chunk: Annotated[int, Field(ge=1, le=200)] = 20,
    *,
    here: bool = False,
) -> Any:
    """Retrain every account of a list that has no fresh release. Interrupted, start it again.

    Args:
        handles: The accounts, each to become a bot of its own.
        file: A text file with more of them, one a line; what follows a # is a comment.
        source: Where the posts come from; `stored` takes what has been imported.
        options: How to curate, train and publish. With `force` the fresh ones are done as well.
        fresh_days: A release younger than this is left as it is.
        chunk: How many bots one run retrains.
        here: Retrain in this process, instead of on the workers of the training pool.

    Returns:
        How many came to which outcome. The run has failed if a bot has, or a line is no handle.
    """
    options = options or RetrainOptions()
    listed = read_list(handles, Path(file) if file else None)
    if listed.wrong:
        show_table(listed.wrong, "Lines that name no account")
        for line in listed.wrong:
            log.error("line %s: %r: %s", line["line"], line["text"], line["why"])
    own = f"backfill-{flow_run.id}"
    # Killed and tried again, the run must start the same chunks, though some bots are fresh now.
    if (plan := load_plan(own)) is None:
        plan = save_plan(own, _plan(listed.names, source, fresh_days, force=options.force))
    requests = [BotRequest.model_validate(each["request"]) for each in plan["bots"]]
    names = [request.name for request in requests]
    fresh = len(listed.names) - len(names)
    log.info("%d accounts: %d are fresh, %d to do", len(listed.names), fresh, len(names))

    chunks = in_chunks(requests, chunk, f"backfill-{plan['began']}")
    failures = await run_chunks(chunks, options, here=here)
    outcomes = collect_outcomes(names, plan["before"], failures)
    delete_plan(own)  # from here on, *Retry* does again what has failed
    show_outcomes(outcomes)
    for outcome in outcomes:
        log.info("@%s: %s: %s", outcome.bot, outcome.status.value, outcome.reason)
    counts = {"fresh": fresh, "wrong lines": len(listed.wrong), **count_statuses(outcomes)}
    failed = counts.get(Status.FAILED.value, 0)
    if failed or listed.wrong:
        message = f"{failed} of {len(names)} bots failed, {len(listed.wrong)} lines name no account"
        return Failed(message=message, data=counts)
    return counts


def _plan(names: Sequence[str], source: str, fresh_days: float, *, force: bool) -> dict[str, Any]:
    fresh = set() if force else fresh_bots(names, timedelta(days=fresh_days))
    todo = [name for name in names if name not in fresh]
    requests = [
        BotRequest(name=name, sources={} if source == "stored" else {name: source}) for name in todo
    ]
    bots = [{"bot": each.name, "request": each.model_dump(mode="json")} for each in requests]
    before = last_outcome_times(todo)
    return {"began": datetime.now(UTC).isoformat(), "bots": bots, "before": before}
