"""One bot's way from its sources to a release."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.context import SyncClientContext
from prefect.states import Failed

from flows.requests import BotRequest, RetrainOptions
from tasks.artifacts import show_corpus, show_gate, show_release
from tasks.core.errors import (
    BadInput,
    BudgetExceeded,
    HuggingtweetsError,
    PermanentError,
    ProcessCrashed,
    SourceStopped,
    StorageUnusable,
    TermsNotAccepted,
    TransientError,
)
from tasks.core.names import Bot
from tasks.core.records import Corpus, Evaluation, Gate, Outcome, Release, Status
from tasks.core.settings import settings
from tasks.curate import curate
from tasks.evaluate import evaluate
from tasks.evaluation.gate import verdict_on
from tasks.finetune import base_for, finetune, fingerprint_of
from tasks.inputs import INPUTS, Inputs, unchanged_outcome
from tasks.lake.posts import LakeState
from tasks.orchestration.limits import bot_place, training_place
from tasks.orchestration.outages import server_error
from tasks.outcome import record_outcome, refuse_after_crashes, stored_posts
from tasks.publish import (
    hub_access,
    hub_url,
    latest_release_of,
    publish,
    push,
    released_already,
)
from tasks.publishing.releases import evaluation_of
from tasks.scrape import SERVICES, scrape
from tasks.storage import storage_root
from tasks.track import track

log = logging.getLogger("huggingtweets")
# A full disk, a refused key: no bot's own fault, so none is parked for it.
_OF_THE_SITE = (SourceStopped, StorageUnusable, TermsNotAccepted)


def flow_of(bot: Bot) -> Any:
    """The flow that brings one bot up to date; its run is named after the bot.

    When a run is retried, Prefect finds the subflows that it has finished by the name of their
    function and by how many of that name came before. So each bot has a function of its own name:
    in a batch from which some bots have dropped out, none is given another's outcome.
    """

    async def retrain_bot(
        request: BotRequest, options: RetrainOptions, *, fetched: bool = False
    ) -> Any:
        """Bring one bot up to date: import, curate, train, evaluate, track, publish.

        Args:
            request: The bot, with the files that its posts come from.
            options: How to curate, train and publish.
            fetched: Whether the services have been asked for its posts already.

        Returns:
            Its outcome. The run has failed if the bot has.
        """
        # In a thread, so that the batch goes on; the tasks below find their run all the same.
        outcome = await asyncio.to_thread(_outcome_of, request, options, fetched)
        if outcome.status is Status.FAILED:
            return Failed(message=outcome.reason, data=outcome)
        return outcome

    retrain_bot.__qualname__ = f"retrain_{bot}".replace(".", "_dot_")
    return flow(
        name="retrain bot",
        flow_run_name="@{request.name}",
        persist_result=True,
        result_serializer="json",
    )(retrain_bot)


@dataclass(frozen=True)
class Seen:
    """What a first look at a bot found.

    outcome: its outcome, if nothing is new, or None; fetched: whether its services were asked.
    """

    outcome: Outcome | None = None
    fetched: bool = False


def nothing_new(request: BotRequest, options: RetrainOptions) -> Seen:
    """Fetch what services have, and see whether anything is new; if not, no run is needed."""
    if options.force:
        return Seen()
    try:
        for handle in request.bot.handles:
            if request.sources.get(handle.name) in SERVICES:
                _fetch(request, handle.name)
        inputs = _inputs(request, options).digest()
        found = unchanged_outcome(request.bot, inputs, push=options.push)
    except HuggingtweetsError:
        return Seen()  # the bot's own run meets it again, and there it is told
    if found is not None:
        log.info("@%s: %s", request.name, found.reason)
    return Seen(found, fetched=True)


def _outcome_of(request: BotRequest, options: RetrainOptions, fetched: bool) -> Outcome:
    """Bring a bot up to date, and record what came of it."""
    began = datetime.now(UTC)
    try:
        refuse_after_crashes(request.bot)
        # One client for all tasks: each would set up its own, with all of TLS, for 15 ms and more.
        with SyncClientContext.get_or_create():
            outcome = _bring_up_to_date(request, options, fetched)
    except BudgetExceeded as error:
        log.warning("%s", error)
        outcome = Outcome(request.name, Status.SKIPPED, str(error), now())
    except HuggingtweetsError as error:
        log.error("%s", error)  # noqa: TRY400 - one line is the message, not a traceback
        outcome = Outcome(request.name, Status.FAILED, str(error), now(), details=_why(error))
    except Exception as error:
        # A fault of ours: told with its traceback in the log, and still this bot's outcome alone.
        log.exception("@%s: unexpected trouble", request.name)
        reason = f"@{request.name}: {type(error).__name__}: {error}; the run's log tells where"
        why = {"permanent": True, "site": server_error(error) is not None}
        outcome = Outcome(request.name, Status.FAILED, reason, now(), details=why)
    return record_outcome(outcome, began)


def _why(error: HuggingtweetsError) -> dict[str, Any]:
    """What the registry needs to know of a failure."""
    named = error.next_attempt_at if isinstance(error, TransientError) else None
    return {
        "permanent": isinstance(error, PermanentError),
        "site": isinstance(error, _OF_THE_SITE),
        "crashed": isinstance(error, ProcessCrashed),
        "next_attempt_at": named.isoformat() if named else None,
    }


def _bring_up_to_date(request: BotRequest, options: RetrainOptions, fetched: bool) -> Outcome:
    bot = request.bot
    if options.push:
        hub_access(bot)  # said before an hour of training, not after
    posts = _stored_posts(request, fetched)
    inputs = _inputs(request, options)
    corpus = curate(bot, inputs.filter, inputs.languages, posts)
    show_corpus(corpus)
    fingerprint = fingerprint_of(corpus, inputs.base, inputs.spec)
    if not options.force and (same := released_already(bot, fingerprint)):
        return _unchanged(inputs, same, corpus, options)

    with bot_place(bot):
        # Another run may have held the place before, for the same posts.
        if not options.force and (same := released_already(bot, fingerprint)):
            return _unchanged(inputs, same, corpus, options)
        return _train_and_release(inputs, corpus, options)


def _train_and_release(inputs: Inputs, corpus: Corpus, options: RetrainOptions) -> Outcome:
    bot, base, spec = inputs.bot, inputs.base, inputs.spec
    with training_place():
        checkpoint = finetune(bot, corpus, base, spec)
        evaluation = evaluate(bot, corpus, base, checkpoint, spec, latest_release_of(bot))
    gate = verdict_on(evaluation)
    show_gate(bot, gate)
    released = gate.passed or options.force
    url = hub_url(bot) if options.push and released else None
    tracked = track(bot, corpus, base, checkpoint, evaluation, spec, gate=gate, model_url=url)
    if not released:
        return _held_back(inputs, gate, corpus, evaluation)

    release = publish(
        corpus, base, checkpoint, evaluation, gate, spec, tracked, for_hub=options.push
    )
    show_release(release, evaluation)
    if options.push:
        release = push(release, options.visibility, options.gated)
    reason = "; ".join(gate.reasons)
    outcome = Outcome(bot.name, Status.RELEASED, reason, now(), release, corpus, evaluation)
    return _with_inputs(outcome, inputs)


def _stored_posts(request: BotRequest, fetched: bool) -> tuple[LakeState, ...]:
    """What the lake holds of each handle, after its source was read."""
    bot = request.bot
    if unknown := set(request.sources) - {handle.name for handle in bot.handles}:
        raise BadInput(f"@{bot}: a source is given for {sorted(unknown)}, which it is not made of")
    for name, source in request.sources.items():
        if not (fetched and source in SERVICES):
            _fetch(request, name)
    return tuple(stored_posts(handle) for handle in bot.handles)


def _fetch(request: BotRequest, name: str) -> None:
    handle = next(handle for handle in request.bot.handles if handle.name == name)
    scraped = scrape(handle, request.sources[name])
    log.info("@%s: %d posts, %d of them new", handle, scraped.seen, scraped.new)


def _inputs(request: BotRequest, options: RetrainOptions) -> Inputs:
    defaults = settings()
    return Inputs(
        bot=request.bot,
        sources=request.sources,
        filter=options.filter or defaults.filter,
        languages=options.languages or defaults.languages,
        base=base_for(options.base or defaults.base),
        spec=options.training,
    )


def _unchanged(
    inputs: Inputs, release: Release, corpus: Corpus, options: RetrainOptions
) -> Outcome:
    evaluation = evaluation_of(storage_root(), release)
    if options.push:
        release = push(release, options.visibility, options.gated)
    reason = f"same posts and settings as release {release.revision}"
    log.info("@%s: %s", inputs.bot, reason)
    name = inputs.bot.name
    outcome = Outcome(name, Status.UNCHANGED, reason, now(), release, corpus, evaluation)
    return _with_inputs(outcome, inputs)


def _held_back(inputs: Inputs, gate: Gate, corpus: Corpus, evaluation: Evaluation) -> Outcome:
    reason = f"{'; '.join(gate.reasons)}; --force releases it all the same"
    log.warning("@%s: held back: %s", inputs.bot, reason)
    outcome = Outcome(
        inputs.bot.name, Status.HELD_BACK, reason, now(), corpus=corpus, evaluation=evaluation
    )
    return _with_inputs(outcome, inputs)


def _with_inputs(outcome: Outcome, inputs: Inputs) -> Outcome:
    """The outcome, with what the next retrain compares to see that nothing is new."""
    return replace(outcome, details={**outcome.details, INPUTS: inputs.digest()})


def now() -> str:
    """The time, as outcomes write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
