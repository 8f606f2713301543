"""What a release is made from, gathered in one record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from tasks.names import Bot
from tasks.records import Base, Checkpoint, Corpus, Evaluation, Profile, Spec, TrackedRun


@dataclass(frozen=True)
class ReleaseContext:
    """Everything that the card, the picture and the metrics of one release tell.

    revision: from `local.revision_of`; created_at: aware, UTC.
    profiles: one for each handle of the bot, in the bot's order.
    tracked: where the training was tracked; empty where it was not.
    namespace: the Hub's user or organisation that the release is meant for, or None.
    project_url: the page of this project that the card links to, or None for no link.
    """

    bot: Bot
    revision: str
    created_at: datetime
    corpus: Corpus
    base: Base
    checkpoint: Checkpoint
    evaluation: Evaluation
    profiles: tuple[Profile, ...]
    spec: Spec
    tracked: TrackedRun
    namespace: str | None = None
    project_url: str | None = None

    def __post_init__(self) -> None:
        if tuple(profile.handle for profile in self.profiles) != self.bot.handles:
            raise AssertionError(f"{self.bot}: one profile for each handle, in the bot's order")

    @property
    def repository(self) -> str | None:
        """The Hub repository, `namespace/bot`, or None for a local release."""
        return f"{self.namespace}/{self.bot.name}" if self.namespace else None

    @property
    def base_perplexity(self) -> float | None:
        """The base's perplexity on the held-out posts; None where it is not a finite number."""
        return _perplexity(self.evaluation.base_loss)

    @property
    def bot_perplexity(self) -> float | None:
        """The bot's perplexity on the same posts; None where it is not a finite number."""
        return _perplexity(self.evaluation.bot_loss)


def _perplexity(loss: float) -> float | None:
    # numpy's floats become Python objects in YAML, and exp(710) overflows.
    return math.exp(float(loss)) if math.isfinite(loss) and loss < 700 else None
