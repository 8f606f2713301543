"""The `retrain` flow in this process, for bots that have work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployments.flow_runs import run_async_flow, start_prefect
from tasks.core.names import Bot

if TYPE_CHECKING:
    from tasks.core.records import Outcome


def run_retrain(bots: list[Bot], sources: dict[str, str], **options: Any) -> list[Outcome]:
    """The outcome of each bot; the `retrain` flow is run, in this process, if one has work.

    sources: by handle, a file's path or the name of a service. options: `RetrainOptions`' fields.
    Raises BaseUnavailable or NetworkTrouble for a base of the Hub that is neither there nor cached.
    """
    outcomes = {bot.name: _unchanged(bot, sources, **options) for bot in bots}
    if with_work := [bot for bot in bots if outcomes[bot.name] is None]:
        outcomes |= {each.bot: each for each in _run_flow(with_work, sources, **options)}
    return [each for each in outcomes.values() if each is not None]


def _unchanged(bot: Bot, sources: dict[str, str], **options: Any) -> Outcome | None:
    """The bot's outcome where nothing is new for it, found without Prefect; else None."""
    if options.get("force"):
        return None
    from tasks.core.settings import settings
    from tasks.operations.unchanged_bots import unchanged_bot

    return unchanged_bot(
        bot,
        {handle.name: sources[handle.name] for handle in bot.handles if handle.name in sources},
        filter_name=options.get("filter") or settings().filter,
        languages=options.get("languages") or settings().languages,
        base_id=options.get("base") or settings().base,
        spec=options["training"],
        push=options.get("push", False),
        from_base=options.get("start") == "base",
    )


def _run_flow(bots: list[Bot], sources: dict[str, str], **options: Any) -> list[Outcome]:
    refuse_unreachable_base(options.get("base"))
    start_prefect()
    from flows.requests import BotRequest, RetrainOptions
    from flows.retrain import retrain as flow

    requests = [
        BotRequest(
            name=bot.name,
            sources={h.name: sources[h.name] for h in bot.handles if h.name in sources},
        )
        for bot in bots
    ]
    return list(run_async_flow(flow, requests, RetrainOptions(**options)))


def refuse_unreachable_base(base_id: str | None) -> None:
    """Raises BaseUnavailable for a base that the Hub does not have, NetworkTrouble without the Hub.

    Asked once, before a server starts: a task tries four times. base_id: by default, the settings'.
    """
    from tasks.core.settings import settings
    from tasks.training.bases.base_models import refuse_unreachable

    given = settings()
    refuse_unreachable(base_id or given.base, given.cache, endpoint=given.hub_endpoint)
