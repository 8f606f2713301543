"""Retrain one bot, or a batch of bots, end to end."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.pipeline import has_begun, in_pipeline
from flows.requests import BotRequest, RetrainOptions
from tasks.artifacts import show_corpus, show_outcomes, show_release
from tasks.curate import curate
from tasks.errors import BadInput, BudgetExceeded, HuggingtweetsError
from tasks.evaluate import evaluate
from tasks.finetune import finetune, fingerprint_of, prepare_base
from tasks.lake.posts import LakeState
from tasks.limits import training_place
from tasks.names import Bot, Handle
from tasks.publish import hub_access, publish, push, released_already
from tasks.publishing.local import evaluation_of
from tasks.records import Corpus, Outcome, Release, Status
from tasks.scrape import scrape
from tasks.settings import settings
from tasks.storage import storage_root
from tasks.store import record_outcome, stored_posts
from tasks.track import track

log = logging.getLogger("huggingtweets")
NAMED = 3  # so many bots are named in the title of a batch's run


def _run_name() -> str:
    names = [BotRequest.model_validate(bot).name for bot in flow_run.parameters["bots"]]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"retrain {', '.join(names[:NAMED])}{more}"


@flow(name="retrain", flow_run_name=_run_name, persist_result=True, result_serializer="json")
async def retrain(bots: list[BotRequest], options: RetrainOptions | None = None) -> Any:
    """Retrain bots; each has its own run, named after it, and its own outcome.

    Args:
        bots: The bots, each with the files that its posts come from.
        options: What holds for all of them.

    Returns:
        Their outcomes. The run has failed if one of them has.
    """
    common = options or RetrainOptions()

    async def one(request: BotRequest) -> Outcome:
        state = await retrain_bot(request, request.options or common, return_state=True)
        return await _outcome(request, state)

    outcomes = await in_pipeline(bots, one)
    show_outcomes(outcomes)
    failed = [outcome.bot for outcome in outcomes if outcome.status is Status.FAILED]
    if failed:
        message = f"{len(failed)} of {len(outcomes)} bots failed: {', '.join(failed)}"
        return Failed(message=message, data=outcomes)
    return outcomes


@flow(
    name="retrain bot",
    flow_run_name="@{request.name}",
    persist_result=True,
    result_serializer="json",
)
async def retrain_bot(request: BotRequest, options: RetrainOptions) -> Any:
    """Bring one bot up to date: import, curate, train, evaluate, track, publish.

    Args:
        request: The bot, with the files that its posts come from.
        options: How to curate, train and publish.

    Returns:
        Its outcome. The run has failed if the bot has.
    """
    has_begun()
    # In a thread, so that the pipeline goes on; the tasks below find their run all the same.
    outcome = await asyncio.to_thread(_outcome_of, request.bot, request.sources, options)
    if outcome.status is Status.FAILED:
        return Failed(message=outcome.reason, data=outcome)
    return outcome


def _outcome_of(bot: Bot, sources: dict[str, str], options: RetrainOptions) -> Outcome:
    """Bring a bot up to date, and record what came of it."""
    began = datetime.now(UTC)
    try:
        outcome = _bring_up_to_date(bot, sources, options)
    except BudgetExceeded as error:
        log.warning("%s", error)
        outcome = Outcome(bot.name, Status.SKIPPED, str(error), _now())
    except HuggingtweetsError as error:
        log.error("%s", error)  # noqa: TRY400 - one line is the message, not a traceback
        outcome = Outcome(bot.name, Status.FAILED, str(error), _now())
    return record_outcome(outcome, began)


def _bring_up_to_date(bot: Bot, sources: dict[str, str], options: RetrainOptions) -> Outcome:
    if options.push:
        hub_access(bot)  # said before an hour of training, not after
    defaults = settings()
    posts = tuple(_stored(bot, handle, sources) for handle in bot.handles)
    corpus = curate(
        bot, options.filter or defaults.filter, options.languages or defaults.languages, posts
    )
    show_corpus(corpus)
    base = prepare_base(options.base or defaults.base)
    spec = options.training
    released = released_already(bot, fingerprint_of(corpus, base, spec))
    if released and not options.force:
        return _unchanged(bot, released, corpus, push_too=options.push)

    with training_place(bot):
        checkpoint = finetune(bot, corpus, base, spec)
        evaluation = evaluate(bot, corpus, base, checkpoint, spec)
    tracked = track(bot, corpus, base, checkpoint, evaluation, spec)
    release = publish(
        bot, corpus, base, checkpoint, evaluation, spec, tracked, for_hub=options.push
    )
    show_release(release, evaluation)
    if options.push:
        release = push(release)
    reason = f"held-out loss {evaluation.bot_loss:.3f}, base {evaluation.base_loss:.3f}"
    return Outcome(bot.name, Status.RELEASED, reason, _now(), release, corpus, evaluation)


def _stored(bot: Bot, handle: Handle, sources: dict[str, str]) -> LakeState:
    if unknown := set(sources) - {handle.name for handle in bot.handles}:
        raise BadInput(f"@{bot}: a source is given for {sorted(unknown)}, which it is not made of")
    if path := sources.get(handle.name):
        scraped = scrape(handle, path)
        log.info("@%s: %d posts, %d of them new", handle, scraped.seen, scraped.new)
    return stored_posts(handle)


def _unchanged(bot: Bot, release: Release, corpus: Corpus, *, push_too: bool) -> Outcome:
    evaluation = evaluation_of(storage_root(), release)
    if push_too:
        release = push(release)
    reason = f"same posts and settings as release {release.revision}"
    log.info("@%s: %s", bot, reason)
    return Outcome(bot.name, Status.UNCHANGED, reason, _now(), release, corpus, evaluation)


async def _outcome(request: BotRequest, state: State[Any]) -> Outcome:
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, Outcome):
        return result
    reason = str(result)
    if not isinstance(result, HuggingtweetsError):
        reason = f"@{request.name}: {type(result).__name__}: {result}; the run's log tells where"
    return Outcome(request.name, Status.FAILED, reason, _now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
