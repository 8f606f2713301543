"""A training's base, specification, progress and checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from tasks.core.bounds import bounds_of
from tasks.core.errors import BadInput
from tasks.core.records.files import FileRef


@dataclass(frozen=True)
class Base:
    """The pretrained model that training starts from.

    id: as the operator named it: a Hub id, a folder, or `embedded`.
    folder: the local folder with its files.
    revision: a digest or commit that changes with the weights.
    origin: where it comes from, for the card: a Hub id or a sentence.
    license: the Hub's identifier (mostly SPDX), or None.
    """

    id: str
    folder: str
    revision: str
    origin: str
    license: str | None = None


@dataclass(frozen=True)
class Spec:
    """How a bot is trained. Sources of the defaults: docs/training.md.

    learning_rate: the peak; None means 2e-4, or 3e-4 with fewer than 16 steps.
    epochs: the maximum; the early stop may end training sooner, and of 20,000 tokens or more only
        the first is run, in `full` mode, unless `patience` outlasts all evaluations after it.
    batch_tokens: the maximum an optimizer step, except for a longer post; halved for a corpus so
        small that an epoch would have fewer than 8 steps.
    max_tokens: longer posts are truncated to this many tokens.
    schedule: after `warmup` (a share of all steps; 4 steps at least, or a quarter of fewer than 16,
        but for 0) `linear` or `cosine` to zero, or `constant`.
    patience: evaluations without a gain before the early stop; 0: the first such ends it.
    evaluations: on the held-out posts, an epoch; half as many in the first.
    precision: `auto` (bf16 where the machine is fast at it), `bf16` or `fp32`.
    dropout: of the outputs of attention and feed-forward layers.
    mode: `full` trains all weights; `adapter` a LoRA adapter, by default at a learning rate of
        1.5e-3.
    adapter_rank: LoRA's rank.
    """

    learning_rate: Annotated[float, Gt(0), Le(1)] | None = None
    epochs: Annotated[int, Ge(1), Le(1_000)] = 2
    batch_tokens: Annotated[int, Ge(1), Le(1_000_000)] = 512
    max_tokens: Annotated[int, Ge(1), Le(100_000)] = 512
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: Annotated[float, Ge(0), Lt(1)] = 0.05
    clip: Annotated[float, Gt(0)] = 1.0
    weight_decay: Annotated[float, Ge(0)] = 0.0
    patience: Annotated[int, Ge(0)] = 1
    evaluations: Annotated[int, Ge(1), Le(1_000)] = 4
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    mode: Literal["full", "adapter"] = "full"
    adapter_rank: Annotated[int, Ge(1), Le(10_000)] = 64

    def __post_init__(self) -> None:
        for name, bounds in bounds_of(Spec).items():
            value = getattr(self, name)
            if value is not None and not bounds.allow(value):
                raise BadInput(f"training: {name} is {value!r}: use {bounds}")


@dataclass(frozen=True)
class Progress:
    """The progress of a training, for terminals and progress bars.

    done, total: tokens, over all epochs.
    loss: the last step's, in nats a token; held_out: the last evaluation's, or None before it.
    seconds_left: estimated.
    """

    done: int
    total: int
    tokens_per_second: float
    loss: float
    held_out: float | None
    seconds_left: float


@dataclass(frozen=True)
class WarmStart:
    """The release that a training starts from instead of the base.

    release: its revision; folder: its key below the storage root.
    weights: its weights; corpus: what it was trained on, all of its own parents' posts included.
    base_used_at: when the bot was last trained from the base (ISO 8601), released or held back;
    base_posts: how many posts that training read.
    new_posts: the training posts that are new since, which alone are read.
    """

    release: str
    folder: str
    weights: FileRef
    corpus: FileRef
    base_used_at: str
    base_posts: int
    new_posts: int


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights with a readable manifest.

    uri: the folder's key below the storage root; its `manifest.json` was written last.
    fingerprint: digest of all inputs: corpus, base, spec, code version, parent.
    weights: the folder's weights file.
    held_out_loss: of the best weights, in nats a token.
    learning_rate: the peak that was used.
    epochs: that were run, fractions included.
    steps, tokens, seconds: optimizer steps, tokens trained on, and duration of the training.
    precision: that was used.
    history: (tokens, training loss, held-out loss or None) at each evaluation.
    tokens_per_second: during training steps.
    seconds_in: seconds a phase: load (the base, unless it was in memory), tokenise, train,
        evaluate, keep (waiting for states to resume from to be copied) and save.
    peak_memory: bytes, of the GPU, or else of the whole process so far.
    flops: of the training by formula, without padding.
    peak_flops, peak_source: the device's FLOPs a second, and the source of that figure.
    mfu: model FLOPs utilisation of the training steps, 0 to 1.
    warm_start: the release that the training started from, or None for the base.
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
    # Not compared, so that no cache key changes: the fingerprint names it.
    warm_start: WarmStart | None = field(default=None, compare=False)
