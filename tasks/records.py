"""The small frozen records that travel between the rooms.

They refer to files (`FileRef`) and never hold tables or weights, so that their content can serve
as a cache key.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tasks.errors import BadInput
from tasks.names import Bot, Handle

# The file that says what a folder holds; written last, so that a folder with one is whole.
MANIFEST = "manifest.json"


class Kind(StrEnum):
    """What a post is to others."""

    POST = "post"
    REPLY = "reply"
    QUOTE = "quote"
    RETWEET = "retweet"


@dataclass(frozen=True)
class Post:
    """One tweet as scraped; raw, never edited.

    id: the service's id, or one made from the file's digest and the row's number.
    created_at: aware, UTC; None where the source does not tell.
    lang: BCP 47 code as the source gives it, or None.
    source: `table`, `x_archive`, `x_api` …
    raw: what the source gave, as a JSON object.
    """

    id: str
    handle: Handle
    created_at: datetime | None
    text: str
    lang: str | None
    kind: Kind
    source: str
    raw: str


@dataclass(frozen=True)
class Profile:
    """How an account shows itself.

    display_name: as the owner wrote it: hostile until escaped.
    avatar_url: where the service serves the avatar, or None.
    """

    handle: Handle
    display_name: str
    avatar_url: str | None = None


@dataclass(frozen=True)
class Account:
    """What a service knew an account as, when it was asked.

    id: the service's own, decimal; it outlives a change of the handle.
    protected: whether the posts are for followers only.
    posts: how many the account has by the service's count, or None.
    seen_at: when the service was asked; aware, UTC.
    """

    id: str
    profile: Profile
    protected: bool
    posts: int | None
    seen_at: datetime


@dataclass(frozen=True)
class FileRef:
    """A file in the storage, by content.

    uri: its key below the storage root.
    sha256: of its bytes, hexadecimal.
    rows: the rows in it, where it is a table; else 0.
    """

    uri: str
    sha256: str
    rows: int = 0


@dataclass(frozen=True)
class Counts:
    """What became of an account's posts: `downloaded = kept + sum(dropped.values())`, always.

    dropped: posts by the reason for which they were dropped, in the order of the filter.
    """

    downloaded: int
    kept: int
    dropped: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.downloaded != self.kept + sum(self.dropped.values()):
            raise AssertionError(f"counts do not add up: {self}")


@dataclass(frozen=True)
class Corpus:
    """A bot's kept texts, split in training and held-out.

    file: Parquet with the columns `handle, id, text, split` (`train` or `held_out`).
    counts: by handle.
    characters: of the kept texts of all handles, joined by the original's separator.
    sources: the sources that the posts came from, sorted.
    first_post, last_post: dates (ISO 8601) of the oldest and newest kept post, where known.
    """

    bot: Bot
    file: FileRef
    filter: str
    counts: Mapping[str, Counts]
    characters: int
    train: int
    held_out: int
    sources: tuple[str, ...]
    first_post: str | None = None
    last_post: str | None = None


@dataclass(frozen=True)
class Base:
    """The pretrained model that training starts from.

    id: what the operator asked for: a Hub id, a folder, or `embedded`.
    folder: the local folder that holds it now.
    revision: a digest or commit that changes when the weights do.
    origin: where it comes from, for the card: a Hub id or a sentence.
    license: SPDX-like identifier as the Hub writes it, or None.
    """

    id: str
    folder: str
    revision: str
    origin: str
    license: str | None = None


@dataclass(frozen=True)
class Spec:
    """How a bot is trained. Sources of the defaults: the measurements in README, "Training".

    learning_rate: the highest; None means 2e-4, or 3e-4 under 400 training posts.
    epochs: the most there can be; the early stop may end sooner.
    batch_tokens: tokens an optimizer step, padding included.
    max_tokens: the longest post, in tokens; the rest is cut off.
    schedule: after `warmup` (a share of all steps) `linear` or `cosine`, to zero, or `constant`.
    patience: held-out evaluations without a gain before the early stop.
    evaluations: held-out evaluations an epoch.
    precision: `auto` (bf16 where the machine has fast bf16), `bf16` or `fp32`.
    dropout: share of what each attention and feed-forward layer gives that is dropped in training.
    mode: `full` trains all weights; `adapter` small additions to the base (LoRA), with 1.5e-3 as
        the default learning rate.
    adapter_rank: how narrow they are.
    """

    learning_rate: float | None = None
    epochs: int = 2
    batch_tokens: int = 512
    max_tokens: int = 512
    schedule: str = "linear"
    warmup: float = 0.05
    clip: float = 1.0
    weight_decay: float = 0.0
    patience: int = 1
    evaluations: int = 2
    precision: str = "auto"
    seed: int = 0
    dropout: float = 0.0
    mode: str = "full"
    adapter_rank: int = 64

    def __post_init__(self) -> None:
        sizes = (self.epochs, self.batch_tokens, self.max_tokens, self.evaluations)
        positive = (*sizes, self.clip, self.adapter_rank)
        if min(positive) <= 0 or (self.learning_rate is not None and self.learning_rate <= 0):
            raise BadInput(f"training sizes and rates must be above zero: {self}")
        if self.schedule not in ("linear", "cosine", "constant"):
            raise BadInput(f"schedule {self.schedule!r} is unknown: use linear, cosine, constant")
        if self.precision not in ("auto", "bf16", "fp32"):
            raise BadInput(f"precision {self.precision!r} is unknown: use auto, bf16 or fp32")
        if self.mode not in ("full", "adapter"):
            raise BadInput(f"mode {self.mode!r} is unknown: use full or adapter")
        if not 0 <= self.dropout < 1:
            raise BadInput(f"dropout is a share, from 0 to below 1: {self}")
        if not 0 <= self.warmup < 1 or self.weight_decay < 0 or self.patience < 0:
            raise BadInput(f"warmup is a share below 1, decay and patience not negative: {self}")


@dataclass(frozen=True)
class Progress:
    """How far a training is, for terminals and progress bars.

    done, total: tokens, over all epochs.
    loss: the last step's, in nats a token; held_out: the last evaluation's, or None before it.
    seconds_left: an estimate.
    """

    done: int
    total: int
    tokens_per_second: float
    loss: float
    held_out: float | None
    seconds_left: float


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights with a readable manifest.

    uri: the folder's key below the storage root; its `manifest.json` was written last.
    fingerprint: digest of everything that went in: corpus, base, spec, code version.
    weights: the weights file in it.
    held_out_loss: of the best weights, in nats a token.
    learning_rate: the highest used.
    epochs: epochs run, in part perhaps.
    steps, tokens, seconds: optimizer steps, tokens trained on, and time of the training.
    precision: the one used.
    history: (tokens, training loss, held-out loss or None) at each evaluation.
    tokens_per_second: in the training steps.
    seconds_in: of load (of the base, if it was not warm), tokenise, train, evaluate, keep (waiting
        for copies to resume from) and save.
    peak_memory: bytes, of the GPU, or of the whole process so far.
    flops: of the training by formula, without padding.
    peak_flops, peak_source: what the device can do in a second, and who says so.
    mfu: the share of it that the training steps reached, 0 to 1.
    """

    uri: str
    fingerprint: str
    weights: FileRef
    held_out_loss: float
    learning_rate: float
    epochs: float
    steps: int
    tokens: int
    seconds: float
    precision: str
    history: tuple[tuple[int, float, float | None], ...] = ()
    tokens_per_second: float | None = None
    seconds_in: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int | None = None
    flops: float | None = None
    peak_flops: float | None = None
    peak_source: str | None = None
    mfu: float | None = None


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


@dataclass(frozen=True)
class TrackedRun:
    """Where a training was tracked.

    url: its run's page, or None offline; folder: its local files, or None where it was sent.
    id: the run's id, or None; preprocess_url: the page of the run that preprocessed, or None.
    """

    url: str | None = None
    folder: str | None = None
    id: str | None = None
    preprocess_url: str | None = None


@dataclass(frozen=True)
class Release:
    """A checkpoint with its card, picture and metrics, published at a revision.

    revision: `<UTC date>-<fingerprint's start>`.
    folder: key of the local release below the storage root.
    hub: URL of the Hub repository, or None where it was not pushed.
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


def digest(*parts: Any) -> str:
    """SHA-256 over the canonical JSON of the parts (records and plain values), hexadecimal."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical JSON")
