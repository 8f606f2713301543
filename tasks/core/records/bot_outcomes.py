"""What a run leaves behind: a tracked run, a release, an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tasks.core.names import Bot
from tasks.core.records.corpora import Corpus
from tasks.core.records.evaluations import Evaluation


@dataclass(frozen=True)
class TrackedRun:
    """Where a training was tracked.

    url: the run's page, or None if offline; folder: its local files, or None once it was sent.
    id: the run's id, or None; preprocess_url: the page of the preprocessing run, or None.
    """

    url: str | None = None
    folder: str | None = None
    id: str | None = None
    preprocess_url: str | None = None


@dataclass(frozen=True)
class Release:
    """A checkpoint with its card, picture and metrics, published at a revision.

    revision: `<UTC date>-<fingerprint's start>`.
    folder: its key below the storage root.
    hub: URL of its Hub repository, or None if it was not pushed.
    """

    bot: Bot
    revision: str
    fingerprint: str
    folder: str
    hub: str | None = None


class Status(StrEnum):
    """What can happen to one bot in one run."""

    RELEASED = "released"
    UNCHANGED = "unchanged"
    HELD_BACK = "held back"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """What happened to one bot in one run, with the reason."""

    bot: str
    status: Status
    reason: str
    finished_at: str
    release: Release | None = None
    corpus: Corpus | None = None
    evaluation: Evaluation | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain_reason(self) -> str:
        """The reason, where the bot is named beside it."""
        return without_bot(self.reason, self.bot)


def without_bot(reason: str, bot: str) -> str:
    """A reason without the bot's name at its start."""
    return reason.removeprefix(f"@{bot}: ")
