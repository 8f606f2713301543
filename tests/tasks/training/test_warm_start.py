"""Trainings that start from a bot's weights instead of the base's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tasks.core import interruption
from tasks.core.errors import Interrupted
from tasks.core.records import FileRef, Progress, Spec, WarmStart
from tasks.storage import Storage, sha256_of
from tasks.training.checkpoint import train_checkpoint
from tasks.training.compute.fast_loss import PackedLoss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.data.documents import Document
from tasks.training.engine import Engine
from tasks.training.export import export_model, import_weights
from tasks.training.loss import mean_of
from tasks.training.post_losses import PostLosses, weights_name
from tasks.training.resume import Resume
from tasks.training.schedule import RATE, WARM_EPOCHS, WARM_RATE, warm_spec
from tasks.training.trainer import Trained, train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3, epochs=1, evaluations=1)
OLD, NEW, HELD_OUT = sentences(100), sentences(160)[100:140], sentences(180)[160:]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(make_tiny_base(tmp_path / "base"))


@pytest.fixture
def parent(engine: Engine, tmp_path: Path) -> Path:
    """A bot that was trained from the base; the engine has forgotten it."""
    train(engine, OLD, HELD_OUT, SPEC)
    folder = tmp_path / "parent"
    folder.mkdir()
    export_model(engine.model, engine.tokenizer_for_bots, folder)
    engine.restore()
    return folder


def saved(engine: Engine, folder: Path) -> dict[str, torch.Tensor]:
    folder.mkdir()
    export_model(engine.model, engine.tokenizer_for_bots, folder)
    return load_file(folder / "model.safetensors")


def test_it_goes_on_from_the_parents_weights(engine: Engine, parent: Path) -> None:
    from_base = train(engine, NEW, HELD_OUT, SPEC)
    warm = train(engine, NEW, HELD_OUT, SPEC, parent=parent)
    assert warm.held_out_loss < from_base.held_out_loss, "it knows the old posts as well"
    assert (warm.steps, warm.tokens) == (from_base.steps, from_base.tokens)
    assert warm.base_loss == from_base.base_loss


def test_where_nothing_is_gained_the_parents_weights_are_kept(
    engine: Engine, parent: Path, tmp_path: Path
) -> None:
    far_too_fast = Spec(precision="fp32", learning_rate=1.0, epochs=1, evaluations=1)
    trained = train(engine, NEW, HELD_OUT, far_too_fast, parent=parent)
    before, after = load_file(parent / "model.safetensors"), saved(engine, tmp_path / "after")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trained.held_out_loss < trained.base_loss


def test_a_warm_start_that_is_stopped_goes_on_and_ends_the_same(
    engine: Engine, parent: Path, storage: Storage
) -> None:
    spec = Spec(precision="fp32", learning_rate=3e-3, epochs=2, batch_tokens=128)
    whole = train(engine, NEW, HELD_OUT, spec, parent=parent)
    weights = engine.weights.copy()

    def stop(progress: Progress) -> None:
        if progress.done > whole.tokens / 3:
            interruption.request_stop()

    unfinished = Resume(storage, "resume/a/f", "f")
    with pytest.raises(Interrupted):
        train(engine, NEW, HELD_OUT, spec, parent=parent, on_progress=stop, resume=unfinished)
    interruption.withdraw()
    again = train(engine, NEW, HELD_OUT, spec, parent=parent, resume=unfinished)
    assert again.history == whole.history
    assert torch.equal(engine.weights.copy(), weights)


def test_the_next_training_from_the_base_knows_nothing_of_it(engine: Engine, parent: Path) -> None:
    first = train(engine, NEW, HELD_OUT, SPEC)
    train(engine, NEW, HELD_OUT, SPEC, parent=parent)
    assert train(engine, NEW, HELD_OUT, SPEC).history == first.history


def test_a_checkpoint_says_what_it_started_from(engine: Engine, parent: Path) -> None:
    files = FileRef("releases/a/1/model.safetensors", "w"), FileRef("corpora/a/1.parquet", "c")
    warm_start = WarmStart("20260101-0", "releases/a/1", *files, "2026-01-01", 100, len(NEW))
    folder = parent.with_name("checkpoint")
    folder.mkdir()
    # Two accounts, of which one has a single new post: it is read once, like any other.
    handles = ["a", *["b"] * (len(NEW) - 1)]
    checkpoint = train_checkpoint(
        NEW, HELD_OUT, handles, engine.base, Spec(precision="fp32"), folder,
        fingerprint="f" * 64, uri="checkpoints/a/f", on_progress=lambda _: None,
        parent=parent, warm_start=warm_start,
    )  # fmt: skip
    assert checkpoint.warm_start == warm_start
    assert '"release": "20260101-0"' in (folder / "manifest.json").read_text()
    assert checkpoint.learning_rate == RATE * WARM_RATE
    assert checkpoint.epochs == WARM_EPOCHS
    documents = engine.documents(NEW, SPEC)
    assert checkpoint.tokens == WARM_EPOCHS * sum(len(each) - 1 for each in documents)


def test_a_learning_rate_that_was_asked_for_is_lowered_for_a_warm_start() -> None:
    assert warm_spec(Spec(learning_rate=1e-3, epochs=9)).learning_rate == WARM_RATE * 1e-3
    assert warm_spec(Spec(seed=7, precision="fp32")).seed == 7


def test_only_new_held_out_posts_are_measured(engine: Engine, parent: Path) -> None:
    """The base's and the parent's losses of the others are known from the last training."""
    known, digest = PostLosses(), sha256_of(parent / "model.safetensors")

    def measured(held_out: list[str]) -> tuple[list[int], Trained]:
        counting = Counting(engine.model, engine.weights)
        engine.loss = counting
        try:
            trained = train(
                engine, NEW, held_out, SPEC, parent=parent, parent_digest=digest, known=known
            )
        finally:
            engine.loss = counted
        return counting.evaluated, trained

    counted = engine.loss
    assert measured(HELD_OUT[:-3])[0] == [17, 17, 17], "base, parent, and the trained weights"
    evaluated, trained = measured(HELD_OUT[3:])
    assert evaluated == [3, 3, 17]
    assert trained.base_loss == pytest.approx(engine.base_loss(HELD_OUT[3:], SPEC))
    import_weights(engine.model, parent)
    documents = engine.documents(HELD_OUT[3:], SPEC)
    (of_parent,) = (name for name in known.used if name == weights_name("fp32", digest))
    found = known.each(of_parent, documents, lambda _: pytest.fail("all are known"))
    assert found == pytest.approx(engine.loss.each(documents))


class Counting(PackedLoss):
    """Notes how many documents each evaluation measures."""

    def __init__(self, model: object, weights: FlatWeights) -> None:
        super().__init__(model, weights)
        self.evaluated: list[int] = []

    def each(self, documents: Sequence[Document]) -> list[float]:
        self.evaluated.append(len(documents))
        return super().each(documents)


def test_what_was_measured_in_training_is_what_is_saved(
    engine: Engine, parent: Path, tmp_path: Path
) -> None:
    """In fp32 too, although weights are saved in bf16."""
    known = PostLosses()
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    checkpoint = train_checkpoint(
        NEW, HELD_OUT, [""] * len(NEW), engine.base, SPEC, folder,
        fingerprint="f" * 64, uri="checkpoints/a/f", on_progress=lambda _: None, known=known,
    )  # fmt: skip
    documents = engine.documents(HELD_OUT, SPEC)
    name = weights_name("fp32", checkpoint.weights.sha256)
    nats = known.each(name, documents, lambda _: pytest.fail("all are known"))
    engine.use("fp32")
    import_weights(engine.model, folder)
    assert nats == pytest.approx(engine.loss.each(documents), rel=1e-6)
    assert mean_of(nats, documents) == checkpoint.held_out_loss
    assert "nats" not in (folder / "manifest.json").read_text()
