"""Whether anything has changed since a bot's last outcome, seen at a glance.

The answer needs no curation, no training and no run of its own, so that hundreds of bots with
nothing new cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.names import Bot
from tasks.core.records import Base, Outcome, Spec, Status, digest
from tasks.core.settings import settings
from tasks.finetune import recipe_of
from tasks.lake.posts import dataset_digest
from tasks.publishing.releases import latest_release, verify_release
from tasks.registry.due_marks import is_due
from tasks.registry.outcomes import load_outcome, save_outcome
from tasks.registry.state import after, load_state, save_state
from tasks.sources.file_sources import file_digest
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out

INPUTS = "inputs"  # under which an outcome's details keep the digest


@dataclass(frozen=True)
class Inputs:
    """All that decides what a bot becomes, before any of it is looked at.

    sources: by handle, the path of a file to import first, or the name of a service.
    """

    bot: Bot
    sources: Mapping[str, str]
    filter: str
    languages: tuple[str, ...]
    base: Base
    spec: Spec

    def digest(self) -> str:
        """Changes when the posts, the files that they come from, or the settings do.

        Raises BadInput for a file that cannot be read, OptedOut.
        """
        storage = storage_root()
        refuse_opted_out(storage, *self.bot.handles)
        files = {name: path for name, path in self.sources.items() if Path(path).exists()}
        return digest(
            recipe_of(self.spec),
            [dataset_digest(storage, handle) for handle in self.bot.handles],
            {name: file_digest(Path(path)) for name, path in files.items()},
            [self.filter, self.languages, settings().min_characters],
            [self.base.id, self.base.revision, self.spec],
            [settings().gate_tolerance, settings().gate_repeats],
        )


def unchanged_outcome(bot: Bot, inputs: str, *, push: bool) -> Outcome | None:
    """The bot's outcome, if its last one had the same inputs and still holds; else None.

    push: whether the release must be on the Hub too. What was held back stays held back.
    """
    storage = storage_root()
    last = load_outcome(storage, bot)
    if last is None or last.details.get(INPUTS) != inputs or is_due(storage, bot):
        return None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if last.status is Status.HELD_BACK:
        return _kept(replace(last, finished_at=now))
    release = latest_release(storage, bot)
    if release is None or (push and release.hub is None) or not verify_release(storage, release):
        return None
    reason = f"same posts and settings as release {release.revision}"
    return _kept(replace(last, status=Status.UNCHANGED, reason=reason, finished_at=now))


def _kept(outcome: Outcome) -> Outcome:
    storage, now = storage_root(), datetime.now(UTC)
    bot = Bot.parse(outcome.bot)
    save_outcome(storage, outcome)
    save_state(storage, bot, after(load_state(storage, bot), outcome, now, now))
    return outcome
