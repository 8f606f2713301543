"""How each bot fares, and which accounts have posts but no bot: what `status` shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import DamagedState, HuggingtweetsError
from tasks.core.names import Bot, Handle
from tasks.core.records import Evaluation, Outcome, Release
from tasks.core.records.bot_outcomes import without_bot
from tasks.core.settings import settings
from tasks.lake.posts import characters_stored, handles, rows_stored
from tasks.operations.first_retrain import first_retrain
from tasks.operations.machine_names import machine_name
from tasks.operations.training_start import START
from tasks.publishing.loss_curve import NAME as LOSSES
from tasks.publishing.release_history import KeptRelease, kept_releases, load_pin
from tasks.publishing.releases import evaluation_of, is_public, latest_release
from tasks.registry import nights
from tasks.registry.due_marks import due_marks
from tasks.registry.outcomes import load_outcomes
from tasks.registry.state import BotState, load_states
from tasks.storage import Storage

# Of an account that no bot is made of: enough text, as far as can be said without curation, or not.
READY, TOO_LITTLE = "ready", "too_little_text"


@dataclass(frozen=True)
class BotStatus:
    """One bot, or an account that no bot is made of yet. Times are ISO 8601 with their zone.

    outcome: of the last retrain (released, unchanged, held_back, skipped, interrupted, failed); of
        an account without a bot `ready` or `too_little_text`; null where it cannot be read.
    reason: of the outcome, in a sentence. finished_at: when that retrain ended.
    posts: looked at by that retrain, or stored where there was none. kept: trained on or held out.
    base_loss, held_out_loss: nats a token, before training and of the release in force.
    release: the revision in force; pinned: whether `rollback` has put it there. hub: its URL.
    next_attempt_at: it is not retried before. parked: why it is not retrained at all.
    due: why it is retrained before its time.
    """

    bot: str
    outcome: str | None
    reason: str | None
    finished_at: str | None
    posts: int | None
    kept: int | None
    base_loss: float | None
    held_out_loss: float | None
    release: str | None
    pinned: bool
    hub: str | None
    next_attempt_at: str | None
    parked: str | None
    due: str | None


@dataclass(frozen=True)
class NightOfBot:
    """What a night did with a bot."""

    night: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class BotDetails(BotStatus):
    """Everything of one bot.

    visibility: whom the release in force is shown to on a site, `public` or `private`.
    folder, card, picture, curve: paths or URLs of the release in force, where there is one.
    start: where the last retrain's training started, and why, where it trained.
    counts: by account, its posts: downloaded, kept, and dropped by reason.
    releases: those that are kept, the newest first. nights: those that it was in, the newest first.
    """

    visibility: str | None
    folder: str | None
    card: str | None
    picture: str | None
    curve: str | None
    repeated_share: float | None
    last_success: str | None
    failures: int
    start: str | None
    counts: dict[str, dict[str, Any]]
    releases: list[KeptRelease]
    nights: list[NightOfBot]


@dataclass(frozen=True)
class _Known:
    """What is stored of one bot; error: of a file of it that is damaged."""

    outcome: Outcome | None
    state: BotState
    due: str | None
    release: Release | None
    evaluation: Evaluation | None
    error: HuggingtweetsError | None


def statuses(storage: Storage) -> list[BotStatus]:
    """Every bot that was retrained, then every account that no such bot is made of, by name."""
    known = _known(storage)
    accounts = [handle for handle in handles(storage) if not _used(handle, list(known))]
    return [
        *(_status(storage, name, each) for name, each in known.items()),
        *(_without_bot(storage, Bot((handle,))) for handle in accounts),
    ]


def status_of(storage: Storage, bot: Bot) -> BotDetails:
    """Everything of one bot. Raises StorageUnusable."""
    known = _known(storage, [bot.name])[bot.name]
    short = _status(storage, bot.name, known)
    if known.outcome is None and known.release is None and known.error is None:
        short = _without_bot(storage, bot)
    folder = known.release.folder if known.release else None
    corpus = known.outcome.corpus if known.outcome else None
    return BotDetails(
        **vars(short),
        visibility=_visibility(storage, known.release),
        folder=storage.location(folder) if folder else None,
        card=_path(storage, folder, "README.md"),
        picture=_path(storage, folder, "predictions.png"),
        curve=_path(storage, folder, LOSSES),
        repeated_share=known.evaluation.repeated_share if known.evaluation else None,
        last_success=_iso(known.state.last_success),
        failures=known.state.failures,
        start=_start(known.outcome),
        counts={
            handle: {"downloaded": c.downloaded, "kept": c.kept, "dropped": dict(c.dropped)}
            for handle, c in (corpus.counts if corpus else {}).items()
        },
        releases=kept_releases(storage, bot),
        nights=_nights_of(storage, bot),
    )


def _visibility(storage: Storage, release: Release | None) -> str | None:
    if release is None:
        return None
    return "public" if is_public(storage, release) else "private"


def _start(outcome: Outcome | None) -> str | None:
    said = outcome.details.get(START) if outcome else None
    return said if isinstance(said, str) else None


def _known(storage: Storage, names: list[str] | None = None) -> dict[str, _Known]:
    """What is stored of these bots, or of all that have an outcome or a damaged file, by name."""
    outcomes, states = load_outcomes(storage, names), load_states(storage, names)
    damaged: dict[str, HuggingtweetsError] = {**outcomes.damaged, **states.damaged}
    marks = due_marks(storage, names)
    found = {}
    for name in sorted({*outcomes.values, *damaged}) if names is None else names:
        outcome, mark = outcomes.values.get(name), marks.get(name)
        evaluation = outcome.evaluation if outcome else None
        release, error = None, damaged.get(name)
        try:
            # Not the outcome's release: after a failed retrain the earlier one is still in force.
            if release := latest_release(storage, Bot.parse(name)):
                evaluation = evaluation_of(storage, release)
        except HuggingtweetsError as unreadable:
            error = error or unreadable
        state, due = states.values.get(name, BotState()), mark.reason if mark else None
        found[name] = _Known(outcome, state, due, release, evaluation, error)
    return found


def _status(storage: Storage, name: str, known: _Known) -> BotStatus:
    outcome, state, release, evaluation = (
        known.outcome, known.state, known.release, known.evaluation,
    )  # fmt: skip
    corpus = outcome.corpus if outcome else None
    pin = load_pin(storage, release.bot) if release else None
    reason = without_bot(outcome.reason, name) if outcome else None
    return BotStatus(
        bot=name,
        outcome=machine_name(outcome.status.value) if outcome else None,
        reason=str(known.error) if known.error else reason,
        finished_at=outcome.finished_at if outcome else None,
        posts=corpus.downloaded if corpus else None,
        kept=corpus.kept if corpus else None,
        base_loss=_finite(evaluation.base_loss) if evaluation else None,
        held_out_loss=_finite(evaluation.bot_loss) if evaluation else None,
        release=release.revision if release else None,
        pinned=pin is not None and release is not None and pin.revision == release.revision,
        hub=release.hub if release else None,
        next_attempt_at=_iso(state.next_attempt_at),
        parked=state.parked or None,
        due=known.due,
    )


def _used(handle: Handle, names: list[str]) -> bool:
    return any(handle.name in name and _is_made_of(handle, name) for name in names)


def _is_made_of(handle: Handle, name: str) -> bool:
    try:
        return handle in Bot.parse(name).handles
    except HuggingtweetsError:
        return False


def _without_bot(storage: Storage, bot: Bot) -> BotStatus:
    """What may become a bot; no post is curated for it, which would take a while for many."""
    posts = sum(rows_stored(storage, handle) for handle in bot.handles)
    least = settings().min_characters
    characters = sum(characters_stored(storage, handle, least) for handle in bot.handles)
    if characters < least:
        outcome, reason = TOO_LITTLE, f"{characters:,} characters of text, and {least:,} are needed"
    else:
        outcome, reason = READY, f"`{first_retrain(bot)}` makes a bot of it"
    return BotStatus(
        bot.name, outcome, reason, None, posts, None, None, None, None, False, None, None, None,
        None,
    )  # fmt: skip


def _nights_of(storage: Storage, bot: Bot) -> list[NightOfBot]:
    found: list[NightOfBot] = []
    for night in nights.names(storage):
        try:
            summary = nights.load_summary(storage, night)
        except DamagedState:
            continue  # `nights` names it
        found += [
            NightOfBot(
                night,
                machine_name(each["outcome"]),
                without_bot(each["reason"], bot.name),
            )
            for each in (summary or {}).get("bots", ())
            if each["bot"] == bot.name
        ]
    return found


def _path(storage: Storage, folder: str | None, name: str) -> str | None:
    if folder is None or not storage.exists(f"{folder}/{name}"):
        return None
    return storage.location(f"{folder}/{name}")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _iso(instant: Any) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")
