"""The engine: one base, loaded once, and many bots trained after one another.

torch, transformers and safetensors are all that it needs.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Base, Progress, Spec, digest
from tasks.training.bases.loading import check_causal, load_model, load_tokenizer
from tasks.training.compute.cuda_graphs import Graphs
from tasks.training.compute.flat_adamw import Flat
from tasks.training.compute.flops import peak_flops, training_flops
from tasks.training.compute.loss_paths import choose_path
from tasks.training.compute.memory import keep_memory, peak_memory
from tasks.training.compute.precision import choose_precision
from tasks.training.data.batches import batches_of
from tasks.training.data.documents import Document, check_vocabulary, context_of, encode, scored
from tasks.training.first_token_ramp import Openings
from tasks.training.held_out_loss import EVALUATION_TOKENS
from tasks.training.resume import Keeper, Resume
from tasks.training.run import Run

log = logging.getLogger("huggingtweets")

Report = Callable[[Progress], None]
_TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class Trained:
    """What a training came to; the best weights are in the engine's model.

    base_loss, held_out_loss: before and at best, in nats a token of the held-out posts.
    learning_rate: the highest; epochs, steps, tokens, seconds: run; precision: used.
    history: (tokens trained on, mean training loss since the last, held-out loss) an evaluation.
    tokens_per_second, seconds_in, peak_memory, flops, peak_flops, peak_source, mfu: as in
        `Checkpoint`.
    """

    base_loss: float
    held_out_loss: float
    learning_rate: float
    epochs: float
    steps: int
    tokens: int
    seconds: float
    precision: str
    history: tuple[tuple[int, float, float], ...]
    tokens_per_second: float
    seconds_in: dict[str, float]
    peak_memory: int
    flops: float
    peak_flops: float | None
    peak_source: str
    mfu: float | None


class Engine:
    """A base in memory, ready to be trained into one bot after another.

    busy: held by whoever needs the weights to stay as they are, since all share them.
    model: transformers' own; its parameters are views of `flat`'s weights, in the type of the
    last spec's precision.
    """

    def __init__(self, base: Base, device: torch.device | None = None) -> None:
        begun = time.monotonic()
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            keep_memory()
        folder = Path(base.folder)
        self.base = base
        self.tokenizer = load_tokenizer(folder)
        self.model: Any = load_model(folder, self.device, torch.float32)
        self._config = self.model.config.get_text_config()
        check_vocabulary(self.tokenizer, self._config)
        check_causal(self.model, base.id)
        self.busy = threading.RLock()
        self.flat = Flat(self.model)
        self.path = choose_path(self.model, self.flat)
        self.openings = Openings(self.model, self.device)
        self.graphs = Graphs() if self.device.type == "cuda" else None
        self._base_losses: dict[str, float] = {}
        self._seconds_to_load = time.monotonic() - begun

    @cached_property
    def bots_tokenizer(self) -> Any:
        """Another of the base's, for exports, which change it into that of a bot: of any alike."""
        return load_tokenizer(Path(self.base.folder))

    def use(self, precision: str) -> str:
        """Make the model compute in `bf16` or `fp32`, or for `auto` in what is faster; says which.

        Raises BadInput.
        """
        chosen = choose_precision(precision, self.device)
        self.flat.use(_TYPES[chosen])
        return chosen

    @torch.no_grad()
    def copy_weights(self, into: torch.Tensor | None = None) -> torch.Tensor:
        """A copy of all weights as they are now, in one tensor; `into` an older copy's memory."""
        return self.flat.weights.clone() if into is None else into.copy_(self.flat.weights)

    def restore(self, weights: torch.Tensor | None = None) -> None:
        """Put weights back in place: such a copy, or the base's."""
        self.flat.load(self.flat.base if weights is None else weights)

    def base_loss(self, held_out: Sequence[str], spec: Spec) -> float:
        """The base's own loss on these texts, in nats a token; the base's weights are put back.

        Equal questions are answered from memory. Raises BaseUnavailable where it is no number.
        """
        precision = self.use(spec.precision)
        self.restore()
        documents = self.documents(held_out, spec)
        key = digest(documents, precision)
        if key not in self._base_losses:
            loss = self.mean_loss(documents)
            if not math.isfinite(loss):
                raise BaseUnavailable(f"base {self.base.id}: its loss is {loss}; choose another")
            self._base_losses[key] = loss
        return self._base_losses[key]

    def mean_loss(self, documents: Sequence[Document]) -> float:
        """The loss of the weights as they are now, in nats a token over all documents."""
        with self.path.open():
            losses = [self.path.loss(batch) for batch in batches_of(documents, EVALUATION_TOKENS)]
        return float(torch.stack(losses).double().sum()) / scored(documents)

    def documents(self, texts: Sequence[str], spec: Spec) -> list[Document]:
        """The texts as the model reads them."""
        return encode(self.tokenizer, texts, context_of(self._config, spec.max_tokens))

    def train(
        self,
        train: Sequence[str],
        held_out: Sequence[str],
        spec: Spec,
        *,
        handles: Sequence[str] | None = None,
        on_progress: Report = lambda _progress: None,
        resume: Resume | None = None,
    ) -> Trained:
        """Train the base on `train`, stop early by `held_out`, and keep the best weights.

        handles: whose post each training text is, where a bot has several.
        resume: where an unfinished training is kept, and looked for first.
        Raises BaseUnavailable, also where one post alone does not fit in memory.
        """
        begun = time.monotonic()
        torch.manual_seed(spec.seed)
        precision = self.use(spec.precision)
        log.info("training in %s on %s", precision, self.device.type)
        owners = handles or [""] * len(train)
        documents = self.documents(train, spec), self.documents(held_out, spec)
        tokenised = time.monotonic() - begun
        base_loss = self.base_loss(held_out, spec)
        evaluated = time.monotonic() - begun - tokenised
        self.flat.begin()
        keeper = Keeper(resume) if resume else None
        run = Run(self, *documents, spec, owners, base_loss=base_loss, keeper=keeper)
        run.seconds["evaluate"] += evaluated
        self._search(run, keeper, on_progress)
        seconds = {"load": self._seconds_to_load, "tokenise": tokenised, **run.seconds}
        seconds["keep"] = keeper.seconds if keeper else 0.0
        self._seconds_to_load = 0.0  # it is warm now
        return self._trained(run, base_loss, precision, seconds, documents[0])

    def _search(self, run: Run, keeper: Keeper | None, on_progress: Report) -> None:
        if self.device.type == "cuda":  # pragma: no cover - needs a GPU
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            with self.path.open():
                run.search(on_progress)
        except torch.OutOfMemoryError as error:
            raise BaseUnavailable(
                f"base {self.base.id}: one post alone does not fit in memory; choose a smaller "
                f"base, or cut posts at fewer than {run.spec.max_tokens} tokens"
            ) from error
        finally:
            if keeper:
                keeper.close()

    def _trained(
        self,
        run: Run,
        base_loss: float,
        precision: str,
        seconds: dict[str, float],
        documents: Sequence[Document],
    ) -> Trained:
        share = run.steps / run.steps_planned
        epoch = training_flops(self.model, [len(document) for document in documents])
        flops = epoch * run.tokens / max(scored(documents), 1)
        peak, source = peak_flops(self.device, precision)
        return Trained(
            base_loss=base_loss,
            held_out_loss=run.best_loss,
            learning_rate=run.rate,
            epochs=run.spec.epochs * share,
            steps=run.steps,
            tokens=run.tokens,
            seconds=sum(seconds[name] for name in ("train", "evaluate", "keep")),
            precision=precision,
            history=tuple(run.history),
            tokens_per_second=run.tokens / max(seconds["train"], 1e-9),
            seconds_in=seconds,
            peak_memory=peak_memory(self.device),
            flops=flops,
            peak_flops=peak,
            peak_source=source,
            mfu=flops / seconds["train"] / peak if peak and seconds["train"] else None,
        )


_warm: dict[Base, Engine] = {}
_loading = threading.Lock()


def engine_for(base: Base) -> Engine:
    """The warm engine of a base: loaded once, as long as no other base is asked for."""
    with _loading:
        if base not in _warm:
            _warm.clear()  # before, so that two bases never share the memory
            _warm[base] = Engine(base)
        return _warm[base]
