"""Trainings that start from a bot's weights instead of the base's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tasks.core import interruption
from tasks.core.errors import Interrupted
from tasks.core.records import FileRef, Progress, Spec, WarmStart
from tasks.storage import Storage
from tasks.training.checkpoint import train_checkpoint
from tasks.training.engine import Engine
from tasks.training.export import export_model, import_weights
from tasks.training.resume import Resume
from tasks.training.schedule import RATE, WARM_EPOCHS, WARM_RATE, warm_spec
from tasks.training.trainer import train
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


def test_the_parents_loss_is_measured_once(engine: Engine, parent: Path) -> None:
    train(engine, NEW, HELD_OUT, SPEC, parent=parent)
    weights, documents = parent / "model.safetensors", engine.documents(HELD_OUT, SPEC)
    asked: list[str] = []
    known = engine.loss_of(weights, documents, load=lambda: asked.append("known"))
    assert asked == [], "the training has measured it"
    import_weights(engine.model, parent)
    assert engine.mean_loss(documents) == known
    engine.loss_of(weights, documents[:3], load=lambda: asked.append("other posts"))
    weights.write_bytes(weights.read_bytes() + b" ")
    engine.loss_of(weights, documents, load=lambda: asked.append("other weights"))
    assert asked == ["other posts", "other weights"]
