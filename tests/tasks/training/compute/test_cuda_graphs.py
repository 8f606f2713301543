"""Steps as graphs, with a recorder that runs the work again in the place of a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records import Spec
from tasks.training.compute.cuda_graphs import ROWS, WIDTHS, StepGraphs, fixed_shape
from tasks.training.compute.fast_loss import PaddedLoss
from tasks.training.data.batches import IGNORED, Batch, pad
from tasks.training.engine import Engine
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3, epochs=2)
# Short and long ones, so that there are several shapes.
TEXTS = [text[: 20 + 20 * (n % 4)] for n, text in enumerate(sentences(120))]


class Recorder:
    """Captures by remembering the work, whose inputs must stay in their place in memory."""

    def __init__(self, *, room: int = 99) -> None:
        self.captures, self.replays, self.room = 0, 0, room

    def __call__(self, work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Callable[[], None]]:
        if self.captures == self.room:
            raise torch.OutOfMemoryError("made in a test")
        self.captures += 1
        loss = torch.zeros(())

        def replay() -> None:
            self.replays += 1
            loss.copy_(work())

        return loss, replay


@pytest.fixture(params=["gpt2", "llama"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    engine = Engine(make_tiny_base(tmp_path, request.param))
    engine.loss = PaddedLoss(engine.model, engine.weights)
    return engine


def test_graphs_train_as_single_steps_do(engine: Engine) -> None:
    alone = train(engine, TEXTS[:100], TEXTS[100:], SPEC)
    recorder = Recorder()
    engine.graphs = StepGraphs(recorder)
    first = train(engine, TEXTS[:100], TEXTS[100:], SPEC)
    assert first.held_out_loss == pytest.approx(alone.held_out_loss, rel=1e-4)
    assert recorder.replays == first.steps
    shapes = recorder.captures
    assert shapes < first.steps

    again = train(engine, TEXTS[:100], TEXTS[100:], SPEC)
    assert again.history == first.history
    assert recorder.captures == shapes, "the next bot finds them"
    train(engine, TEXTS[:100], TEXTS[100:], Spec(**{**vars(SPEC), "clip": 0.5}))
    assert recorder.captures == 2 * shapes, "what is fixed in a graph has changed"


def test_without_memory_for_a_graph_it_trains_all_the_same(engine: Engine) -> None:
    alone = train(engine, TEXTS[:100], TEXTS[100:], SPEC)
    recorder = Recorder(room=1)
    engine.graphs = StepGraphs(recorder)
    trained = train(engine, TEXTS[:100], TEXTS[100:], SPEC)
    assert trained.held_out_loss == pytest.approx(alone.held_out_loss, rel=1e-4)
    assert recorder.replays < trained.steps


@given(st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=90), min_size=1, max_size=9))
def test_shapes_are_few_and_hold_the_same_tokens(documents: list[list[int]]) -> None:
    batch = pad(documents)
    fixed = fixed_shape(batch)
    rows, width = batch.ids.shape
    assert fixed.ids.shape[1] in WIDTHS
    assert len(fixed.ids) in (1, 2, 4) or len(fixed.ids) % ROWS == 0
    assert len(fixed.ids) < max(2 * rows, rows + ROWS)
    assert torch.equal(fixed.labels[:rows, :width], batch.labels)
    assert (fixed.labels != IGNORED).sum() == (batch.labels != IGNORED).sum()
    assert fixed.tokens == batch.tokens


def test_what_is_wider_than_all_shapes_keeps_its_own() -> None:
    wide = torch.ones(1, WIDTHS[-1] + 8, dtype=torch.long)
    batch = Batch(wide, wide, WIDTHS[-1] + 7)
    assert fixed_shape(batch) is batch
