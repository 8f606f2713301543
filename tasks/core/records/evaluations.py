"""How good a bot is, and whether that is enough for a release."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """One text that the bot wrote.

    start: what it was given; text: the whole post, start included.
    repeats: whether the text stands in the training posts already.
    """

    start: str
    text: str
    repeats: bool


@dataclass(frozen=True)
class Evaluation:
    """How good a bot is, in nats a token over the same held-out tokens for base and bot.

    samples: texts that it wrote to be looked through; verbatim of them stand in a training post,
        repeated of them do, or nearly.
    released_loss: of the released version, over the held-out posts that it was not trained on, or
        None where there is nothing to compare; compared_loss: the bot's own over these posts.
    compared_posts: how many they are.
    """

    base_loss: float
    bot_loss: float
    held_out_tokens: int
    predictions: tuple[Prediction, ...]
    samples: int = 0
    verbatim: int = 0
    repeated: int = 0
    released_loss: float | None = None
    compared_loss: float | None = None
    compared_posts: int = 0

    @property
    def repeated_share(self) -> float:
        """The share of the samples that repeat a training post, 0 to 1.

        Of the predictions, where no samples were looked through.
        """
        if self.samples:
            return self.repeated / self.samples
        if not self.predictions:
            return 0.0
        return sum(p.repeats for p in self.predictions) / len(self.predictions)

    @property
    def base_perplexity(self) -> float | None:
        """The base's on the held-out posts; None where it is not a finite number."""
        return _perplexity(self.base_loss)

    @property
    def bot_perplexity(self) -> float | None:
        """The bot's on the same posts; None where it is not a finite number."""
        return _perplexity(self.bot_loss)


def _perplexity(loss: float) -> float | None:
    # exp(710) overflows.
    return math.exp(float(loss)) if math.isfinite(loss) and loss < 700 else None


@dataclass(frozen=True)
class GateFigures:
    """What the gate looked at.

    better_than_base: nats a token on the held-out posts; below zero is worse.
    worse_than_released: nats a token on the same posts, or None where there is nothing to compare;
        below zero is better.
    repeated_share: of the samples, 0 to 1.
    """

    better_than_base: float
    worse_than_released: float | None
    repeated_share: float


@dataclass(frozen=True)
class Gate:
    """Whether a bot may be released.

    reasons: a sentence with its figure for each of the conditions, those that are met too.
    """

    passed: bool
    reasons: tuple[str, ...]
    figures: GateFigures

    def __str__(self) -> str:
        return "; ".join(self.reasons)
