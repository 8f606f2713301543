"""One bot as a run of its own, which the UI can start by a form, retry and cancel."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from flows.bot import as_state, bring_up_to_date
from flows.requests import BotName, BotRequest, RetrainOptions
from flows.stopping import stoppable


@flow(name="account", flow_run_name="retrain @{bot}", persist_result=True, result_serializer="json")
async def account(
    bot: BotName,
    source: Literal["stored", "community_archive", "x_api", "bluesky"] = "stored",
    options: RetrainOptions | None = None,
) -> Any:
    """Retrain one bot.

    Args:
        bot: One to three handles joined by `-`, such as `alice` or `alice-bob`.
        source: Where new posts come from; `stored` takes what has been imported.
        options: How to curate, train and publish.

    Returns:
        Its outcome. The run has failed if the bot has.
    """
    plain = BotRequest(name=bot)
    names = [handle.name for handle in plain.bot.handles]
    sources = {} if source == "stored" else dict.fromkeys(names, source)
    request = plain.model_copy(update={"sources": sources})
    with stoppable():
        outcome = await bring_up_to_date(request, options or RetrainOptions())
    return as_state(outcome)
