"""What training starts from, how it is done, how far it is, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.core.errors import BadInput
from tasks.core.records.files import FileRef


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
    """How a bot is trained. Sources of the defaults: docs/training.md.

    learning_rate: the highest; None means 2e-4, or 3e-4 where there are under 16 steps.
    epochs: the most there can be; the early stop may end sooner.
    batch_tokens: the most tokens an optimizer step, but for a longer post; half of it where a
        corpus is so small that an epoch would have fewer than 8 steps.
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
