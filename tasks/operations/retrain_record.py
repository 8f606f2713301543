"""Whether anything is new for a bot, and the record of what became of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tasks.core.errors import DamagedState, ProcessCrashed
from tasks.core.names import Bot
from tasks.core.records import Base, Outcome, Release, Spec, Status, digest
from tasks.core.settings import settings
from tasks.lake.posts import dataset_digest
from tasks.operations.checkpoint_keys import recipe_of
from tasks.publishing.release_history import pinned_release
from tasks.publishing.releases import latest_release, verify_release
from tasks.registry.attempts import attempts_of, begin_attempt, end_attempt
from tasks.registry.due_marks import clear_due, is_due
from tasks.registry.outcomes import load_outcome, save_outcome
from tasks.registry.state import after, load_state, save_state
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out

log = logging.getLogger("huggingtweets")
MOST_CRASHES = 3
# When the retrains of this process that have no outcome yet began, by bot.
_under_way: dict[str, datetime] = {}
INPUTS = "inputs"  # under which an outcome's details hold the digest


@dataclass(frozen=True)
class Inputs:
    """What a bot is made with, beside its posts. from_base: never from its last release."""

    bot: Bot
    filter: str
    languages: tuple[str, ...]
    base: Base
    spec: Spec
    from_base: bool = False

    def digest(self, files: Mapping[str, str]) -> str:
        """Changes when the posts, the files that they come from, or the settings do.

        files: by handle, the digest of the file that its posts come from. No post is read.
        Raises OptedOut.
        """
        refuse_opted_out(storage_root(), *self.bot.handles)
        return digest(
            recipe_of(self.spec),
            _datasets(self.bot),
            dict(files),
            [self.filter, self.languages, settings().min_characters],
            [self.base.id, self.base.revision, self.spec],
            [settings().gate_tolerance, settings().gate_repeats],
            *(["from the base"] if self.from_base else []),
        )


def has_crashed(bot: Bot) -> bool:
    """Whether the bot's last retrain has left no outcome: its process may have died of it."""
    return attempts_of(storage_root(), bot) > 0


def begin_retrain(bot: Bot) -> None:
    """Note that a retrain begins.

    Raises ProcessCrashed where too many had no end, DamagedState where the bot's state is damaged.
    """
    load_state(storage_root(), bot)  # now, and not after an hour of training
    _under_way[bot.name] = datetime.now(UTC)
    if begin_attempt(storage_root(), bot) >= MOST_CRASHES:
        raise ProcessCrashed(
            f"@{bot}: {MOST_CRASHES} retrains in a row ended with the death of their process, so "
            "it is left out: look at the memory of the machine and at its posts, then retrain it"
        )


def unchanged_outcome(bot: Bot, inputs: str, *, push: bool) -> Outcome | None:
    """The bot's outcome, if its last one had the same inputs and still holds; else None.

    It needs no curation and no run of its own, so that hundreds of bots with nothing new cost next
    to nothing.
    push: whether the release must be on the Hub too. What was held back stays held back.
    """
    storage = storage_root()
    last = load_outcome(storage, bot)
    if (pinned := pinned_release(storage, bot, lambda: posts_digest(bot))) is not None:
        return _pinned(bot, pinned, last)
    if last is None or last.details.get(INPUTS) != inputs or is_due(storage, bot):
        return None
    if last.status is Status.HELD_BACK:
        unchanged = replace(last, finished_at=now())
    else:
        release = latest_release(storage, bot)
        if release is None or (push and release.hub is None):
            return None
        if not verify_release(storage, release):
            return None
        reason = f"same posts and settings as release {release.revision}"
        unchanged = replace(last, status=Status.UNCHANGED, reason=reason, finished_at=now())
    log.info("@%s: %s", bot, unchanged.reason)
    return unchanged


def posts_digest(bot: Bot) -> str:
    """Changes when the posts of the bot's accounts do; no post is read."""
    return digest(_datasets(bot))


def _datasets(bot: Bot) -> list[str]:
    """The digests of the stored posts of the bot's accounts."""
    storage = storage_root()
    return [dataset_digest(storage, handle) for handle in bot.handles]


def _pinned(bot: Bot, release: Release, last: Outcome | None) -> Outcome:
    """The outcome of a bot whose release a person has put in force: it stays."""
    reason = (
        f"pinned to release {release.revision} until there are new posts; "
        f"`huggingtweets rollback {bot} --unpin` ends it"
    )
    log.info("@%s: %s", bot, reason)
    unchanged = Outcome(bot.name, Status.UNCHANGED, reason, now(), release)
    return replace(unchanged, corpus=last.corpus, details=last.details) if last else unchanged


def record(outcome: Outcome, began: datetime, *, trained: bool = False) -> Outcome:
    """Keep the outcome where `huggingtweets status` finds it.

    began: when the retrain did; trained: whether its time is what a training of the bot takes.
    """
    storage, bot = storage_root(), Bot.parse(outcome.bot)
    # First, since it must not count as a death of the process where the disk is too full to write.
    end_attempt(storage, bot)
    _under_way.pop(bot.name, None)
    save_outcome(storage, outcome)
    with suppress(DamagedState):  # it stays for a person to look at, and the outcome names it
        before = load_state(storage, bot)
        state = after(before, outcome, began, datetime.now(UTC))
        save_state(storage, bot, state if trained else replace(state, seconds=before.seconds))
    if outcome.status in (Status.RELEASED, Status.UNCHANGED, Status.HELD_BACK):
        clear_due(storage, bot, began)
    return outcome


def record_interrupted() -> None:
    """Record as interrupted whatever this process is retraining: it is about to end."""
    for name, began in list(_under_way.items()):
        reason = f"@{name}: stopped on request: run it again to go on"
        record(Outcome(name, Status.INTERRUPTED, reason, now()), began)


def now() -> str:
    """The time, as outcomes write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
