"""Steps as a graph, with a recorder that does the work again in the place of a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.core.records import Spec
from tasks.training.compute.cuda_graphs import StepGraphs
from tasks.training.compute.fast_loss import RowLoss
from tasks.training.engine import Engine
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tasks.training.recording import FakeRecorder
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3, batch_tokens=128, epochs=1, evaluations=1)
DROPPING = Spec(**{**vars(SPEC), "dropout": 0.2})
# Short and long ones, so that there are several lengths.
TEXTS = [text[: 20 + 20 * (n % 4)] for n, text in enumerate(sentences(36))]
TRAIN, HELD_OUT = TEXTS[:28], TEXTS[28:]


@pytest.fixture(params=["gpt2", "llama"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    engine = Engine(make_tiny_base(tmp_path, request.param))
    engine.loss = RowLoss(engine.model, engine.weights)
    return engine


@pytest.mark.parametrize("spec", [SPEC, DROPPING])
def test_one_graph_trains_one_bot_after_another(engine: Engine, spec: Spec) -> None:
    alone = train(engine, TRAIN, HELD_OUT, spec)
    recorder = FakeRecorder()
    engine.graphs = StepGraphs(recorder)
    cold = train(engine, TRAIN, HELD_OUT, spec)
    assert (recorder.streamed, recorder.captures, recorder.replays) == (1, 1, cold.steps - 1)
    assert cold.held_out_loss == pytest.approx(alone.held_out_loss, rel=1e-4)
    warm = train(engine, TRAIN, HELD_OUT, spec)
    assert warm.history == cold.history, "a recording draws no random numbers"
    other = train(engine, TRAIN[10:], HELD_OUT, spec)
    assert recorder.captures == 1, "the next bots find it"
    assert recorder.replays == cold.steps - 1 + warm.steps + other.steps


def test_a_step_of_more_posts_widens_the_graph_for_those_after_it(engine: Engine) -> None:
    recorder = FakeRecorder()
    engine.graphs = StepGraphs(recorder)
    first = train(engine, TRAIN, HELD_OUT, SPEC)
    assert recorder.captures == 1
    many = Spec(**{**vars(SPEC), "batch_tokens": 512})
    train(engine, [f"{n}" for n in range(1100)], HELD_OUT, many)
    assert recorder.captures == 2
    assert train(engine, TRAIN, HELD_OUT, SPEC).history == first.history
    assert recorder.captures == 2


def test_what_is_fixed_in_a_graph_has_one_of_its_own(engine: Engine) -> None:
    recorder = FakeRecorder()
    engine.graphs = StepGraphs(recorder)
    first = train(engine, TRAIN, HELD_OUT, SPEC)
    clipped = Spec(**{**vars(SPEC), "clip": 0.01})
    train(engine, TRAIN, HELD_OUT, clipped)
    assert recorder.captures == 2
    rounded = train(engine, TRAIN, HELD_OUT, Spec(**{**vars(SPEC), "precision": "bf16"}))
    assert rounded.held_out_loss == pytest.approx(first.held_out_loss, rel=0.02)
    again = train(engine, TRAIN, HELD_OUT, SPEC)
    assert recorder.captures == 4
    assert again.held_out_loss == pytest.approx(first.held_out_loss, rel=1e-5)


def test_weights_and_gradients_stay_where_the_graph_writes_them(engine: Engine) -> None:
    recorder = FakeRecorder()
    engine.graphs = StepGraphs(recorder)
    parameters = list(engine.model.parameters())
    seen = set()
    recorder.before_replay = lambda: seen.add(
        tuple((p.data_ptr(), p.grad.data_ptr()) for p in parameters)
    )
    train(engine, TRAIN, HELD_OUT, SPEC)
    train(engine, TRAIN, HELD_OUT, SPEC)
    assert len(seen) == 1


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_without_memory_for_a_graph_it_trains_all_the_same(
    engine: Engine, error: type[Exception]
) -> None:
    alone = train(engine, TRAIN, HELD_OUT, SPEC)
    recorder = FakeRecorder(room=0, error=error)
    engine.graphs = StepGraphs(recorder)
    trained = train(engine, TRAIN, HELD_OUT, SPEC)
    assert trained.held_out_loss == pytest.approx(alone.held_out_loss, rel=1e-4)
    assert recorder.replays == 0
    recorder.room = 1
    train(engine, TRAIN, HELD_OUT, SPEC)
    assert recorder.replays > 0, "there may be memory for the next bot's"


def test_other_faults_of_the_gpu_are_not_hidden(engine: Engine) -> None:
    class Faulty(FakeRecorder):
        def record(self, _work: object) -> object:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    engine.graphs = StepGraphs(Faulty())
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        train(engine, TRAIN, HELD_OUT, SPEC)


def test_a_model_that_waits_for_the_gpu_is_never_recorded(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alone = train(engine, TRAIN, HELD_OUT, DROPPING)
    recorder = FakeRecorder()
    recorder.synchronizes = True
    engine.graphs = StepGraphs(recorder)
    first = train(engine, TRAIN, HELD_OUT, DROPPING)
    assert first.held_out_loss == pytest.approx(alone.held_out_loss, rel=1e-4)
    assert "training without CUDA graphs" in caplog.text
    assert train(engine, TRAIN, HELD_OUT, DROPPING).history == first.history
    assert (recorder.checks, recorder.captures) == (1, 0), "asked once"


def test_wide_steps_need_no_graph(engine: Engine) -> None:
    recorder = FakeRecorder()
    engine.graphs = StepGraphs(recorder)
    train(engine, TRAIN, HELD_OUT, Spec(**{**vars(SPEC), "batch_tokens": 4096}))
    assert recorder.streamed == recorder.captures == 0
