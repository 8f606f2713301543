"""A long list of handles, once: those that have no fresh release yet."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.states import Failed
from pydantic import Field

from flows.chunks import in_chunks, run_chunks
from flows.requests import BotRequest, HandleName, RetrainOptions
from tasks.artifacts import show_outcomes, show_table
from tasks.backfill import fresh_bots, read_list
from tasks.night import collect, counted, last_ends
from tasks.records import Status

log = logging.getLogger("huggingtweets")


@flow(name="backfill", persist_result=True, result_serializer="json")
async def backfill(
    handles: list[HandleName] | None = None,
    file: str = "",
    source: Literal["x_api", "bluesky", "stored"] = "x_api",
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
    began = datetime.now(UTC)
    listed = read_list(handles or [], Path(file) if file else None)
    if listed.wrong:
        show_table(listed.wrong, "Lines that name no account")
        for line in listed.wrong:
            log.error("line %s: %r: %s", line["line"], line["text"], line["why"])
    fresh = set() if options.force else fresh_bots(listed.names, timedelta(days=fresh_days))
    names = [name for name in listed.names if name not in fresh]
    log.info("%d accounts: %d are fresh, %d to do", len(listed.names), len(fresh), len(names))
    sources = {} if source == "stored" else dict.fromkeys(names, source)
    requests = [
        BotRequest(name=name, sources={name: sources[name]} if sources else {}) for name in names
    ]

    before = last_ends(names)
    trouble = await run_chunks(in_chunks(requests, chunk, f"backfill-{began:%Y%m%dT%H%M%S}"),
                               options, here=here)  # fmt: skip
    outcomes = collect(names, before, trouble)
    show_outcomes(outcomes)
    counts = {"fresh": len(fresh), "wrong lines": len(listed.wrong), **counted(outcomes)}
    for outcome in outcomes:
        log.info("@%s: %s: %s", outcome.bot, outcome.status.value, outcome.reason)
    failed = sum(outcome.status is Status.FAILED for outcome in outcomes)
    if failed or listed.wrong:
        message = f"{failed} of {len(names)} bots failed, {len(listed.wrong)} lines name no account"
        return Failed(message=message, data=counts)
    return counts
