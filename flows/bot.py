"""One bot's way from its sources to a release."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import SyncClientContext
from prefect.states import Failed

from flows.requests import BotRequest, RetrainOptions
from tasks.artifacts import show_corpus, show_gate, show_release
from tasks.core.names import Bot
from tasks.core.records import Checkpoint, Corpus, Evaluation, Gate, Outcome, Release, Status
from tasks.core.settings import settings
from tasks.curate import curate, notes_on
from tasks.evaluate import evaluate
from tasks.evaluation.gate import verdict_on
from tasks.finetune import base_for, finetune
from tasks.operations.pushing import hub_access
from tasks.operations.retrain_record import (
    INPUTS,
    Inputs,
    begin_retrain,
    now,
    record,
    unchanged_outcome,
)
from tasks.operations.training_start import START, released_already, training_start
from tasks.operations.warm_starts import Start
from tasks.orchestration.limits import bot_place, training_place
from tasks.orchestration.signals import answer_signals_again
from tasks.outcome import outcome_of_error, record_outcome
from tasks.publish import (
    hub_url,
    latest_release_of,
    publish,
    push,
)
from tasks.publishing.escaping import plain
from tasks.publishing.releases import evaluation_of
from tasks.scrape import fetch
from tasks.storage import storage_root
from tasks.track import track

log = logging.getLogger("huggingtweets")


async def bring_up_to_date(request: BotRequest, options: RetrainOptions) -> Outcome:
    """Fetch a bot's posts, and retrain it in a run of its own if anything is new.

    Whatever goes wrong is the bot's outcome: nothing is raised.
    """
    began = datetime.now(UTC)
    try:
        # In threads, so that the other bots of a batch go on; tasks find their run all the same.
        inputs, unchanged = await asyncio.to_thread(fetch_and_compare, request, options)
        if unchanged is not None:
            # Without a task: of hundreds of bots most have nothing new.
            return await asyncio.to_thread(record, unchanged, began)
        outcome = await _retrain_in_own_run(request, options)
        if outcome.status in (Status.RELEASED, Status.UNCHANGED, Status.HELD_BACK):
            outcome = replace(outcome, details={**outcome.details, INPUTS: inputs})
        return await asyncio.to_thread(record_outcome, outcome, began, trained=True)
    except Exception as error:  # noqa: BLE001 - one bot's trouble must not end the batch
        return await asyncio.to_thread(_record_error, request.bot, error, began)


def _record_error(bot: Bot, error: Exception, began: datetime) -> Outcome:
    outcome = outcome_of_error(bot, error)
    try:
        return record_outcome(outcome, began)
    except Exception as second:  # noqa: BLE001 - as above
        # As when the disk is full: the batch reports it, where the storage cannot.
        log.error("@%s: the outcome cannot be recorded: %s", bot, second)  # noqa: TRY400 - one line
        return outcome


def fetch_and_compare(request: BotRequest, options: RetrainOptions) -> tuple[str, Outcome | None]:
    """Bring in what a bot's sources have; its outcome if nothing is new since the last one.

    Returns the digest of the bot's inputs as well, by which the next retrain compares.
    """
    bot = request.bot
    begin_retrain(bot)
    if options.push:
        hub_access(bot)  # refused now, and not after an hour of training
    files = fetch(bot, request.sources)
    inputs = inputs_of(bot, options).digest(files)
    return inputs, None if options.force else unchanged_outcome(bot, inputs, push=options.push)


async def _retrain_in_own_run(request: BotRequest, options: RetrainOptions) -> Outcome:
    state: State[Any] = await flow_of(request.bot)(request, options, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, Exception):
        raise result
    outcome: Outcome = result
    return outcome


def flow_of(bot: Bot) -> Any:
    """The flow that retrains one bot; its run is named after the bot.

    When a run is retried, Prefect finds the subflows that it has finished by the name of their
    function and by how many of that name came before; it takes no key of ours. So each bot has a
    function of its own name: in a batch that some bots have left since the first try, none is
    given another's outcome.
    """

    # Any: of its own types Prefect would make the schema of a form, 0.3 s of each bot.
    async def retrain_bot(request: Any, options: Any) -> Any:
        """Curate, train, evaluate, track and publish one bot, whose posts are stored.

        Args:
            request: The bot, a BotRequest.
            options: How to curate, train and publish, RetrainOptions.

        Returns:
            Its outcome. The run has failed if the bot has.
        """

        def with_one_client() -> Outcome:
            # Each task would set up its own, with all of TLS, for 15 ms and more.
            with SyncClientContext.get_or_create():
                return retrain_and_release(request.bot, options)

        answer_signals_again()
        try:
            return await asyncio.to_thread(with_one_client)
        except Exception as error:  # noqa: BLE001 - as a state, without Prefect's traceback
            return as_state(outcome_of_error(request.bot, error))

    retrain_bot.__qualname__ = f"retrain_{bot}".replace(".", "_dot_")
    return flow(
        name="retrain bot",
        flow_run_name="@{request.name}",
        persist_result=True,
        result_serializer="json",
    )(retrain_bot)


def as_state(outcome: Outcome) -> Any:
    """What a bot's run returns: its outcome, as a failed state where the bot has failed."""
    if outcome.status in (Status.FAILED, Status.INTERRUPTED):  # a retried batch runs it again
        return Failed(message=outcome.reason, data=outcome)
    return outcome


def retrain_and_release(bot: Bot, options: RetrainOptions) -> Outcome:
    """Train a bot on the posts that are stored, and release it if it passes the gate."""
    inputs = inputs_of(bot, options)
    base, spec = inputs.base, inputs.spec
    corpus = curate(bot, inputs.filter, inputs.languages)
    show_corpus(corpus)
    with bot_place(bot):
        # By another run perhaps, while this one waited for the bot.
        released = released_already(bot, corpus, base, spec, from_base=inputs.from_base)
        if released is not None and not options.force:
            return _unchanged(released, corpus, options)

        start = training_start(bot, corpus, base, spec, from_base=inputs.from_base)
        with training_place():
            checkpoint, evaluation, gate = _trained(bot, corpus, inputs, start)
            if not gate.passed and (other := start.after(gate)) is not None:
                log.warning("@%s: training starts %s", bot, other)
                start = other
                checkpoint, evaluation, gate = _trained(bot, corpus, inputs, start)
        passed = gate.passed or options.force
        url = hub_url(bot) if options.push and passed else None
        tracked = track(bot, corpus, base, checkpoint, evaluation, spec, gate=gate, model_url=url)
        if not passed:
            return _held_back(bot, gate, corpus, evaluation)

        release = publish(
            corpus,
            base,
            checkpoint,
            evaluation,
            gate,
            spec,
            tracked,
            for_hub=options.push,
            visibility=options.visibility,
        )
        show_release(release, evaluation)
        if options.push:
            release = push(release, options.visibility, options.gated)
    outcome = _released(bot, gate, corpus, evaluation, release)
    return replace(outcome, details={START: str(start)})


def _trained(
    bot: Bot, corpus: Corpus, inputs: Inputs, start: Start
) -> tuple[Checkpoint, Evaluation, Gate]:
    base, spec = inputs.base, inputs.spec
    checkpoint = finetune(bot, corpus, base, spec, start.warm_start)
    evaluation = evaluate(bot, corpus, base, checkpoint, spec, latest_release_of(bot))
    gate = verdict_on(evaluation)
    show_gate(bot, gate)
    return checkpoint, evaluation, gate


def inputs_of(bot: Bot, options: RetrainOptions) -> Inputs:
    """What a bot is made with; the settings fill in what the options leave open."""
    defaults = settings()
    return Inputs(
        bot=bot,
        filter=options.filter or defaults.filter,
        languages=options.languages or defaults.languages,
        base=base_for(options.base or defaults.base),
        spec=options.training,
        from_base=options.start == "base",
    )


def _unchanged(release: Release, corpus: Corpus, options: RetrainOptions) -> Outcome:
    evaluation = evaluation_of(storage_root(), release)
    if options.push:
        release = push(release, options.visibility, options.gated)
    reason = f"same posts and settings as release {release.revision}"
    log.info("@%s: %s", release.bot, reason)
    name = release.bot.name
    return Outcome(name, Status.UNCHANGED, reason, now(), release, corpus, evaluation)


def _released(
    bot: Bot, gate: Gate, corpus: Corpus, evaluation: Evaluation, release: Release
) -> Outcome:
    reason = "; ".join((*gate.reasons, *notes_on(corpus)))
    # The report stands at the end of a batch, which can be hours away.
    for text in evaluation.new_texts[:1]:
        log.info("@%s: released; it writes: %s", bot, plain(text))
    return Outcome(bot.name, Status.RELEASED, reason, now(), release, corpus, evaluation)


def _held_back(bot: Bot, gate: Gate, corpus: Corpus, evaluation: Evaluation) -> Outcome:
    reason = f"{'; '.join((*gate.reasons, *notes_on(corpus)))}; --force releases it all the same"
    log.warning("@%s: held back: %s", bot, reason)
    return Outcome(bot.name, Status.HELD_BACK, reason, now(), corpus=corpus, evaluation=evaluation)
