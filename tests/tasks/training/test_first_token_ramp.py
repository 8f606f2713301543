"""In its first steps a training leaves the layers alone with what each post begins with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.core.records import Spec
from tasks.training.compute.fast_loss import PackedLoss, RowLoss
from tasks.training.data.batches import IGNORED, Batch, pad
from tasks.training.engine import Engine
from tasks.training.first_token_ramp import STEPS
from tasks.training.loss import PlainLoss
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tasks.training.ways import loss_by
from tests.tiny import make_tiny_base

BATCH = pad([[0, 5, 6, 7, 8], [0, 9, 10], [0, 11, 12, 13, 14, 15, 16]])
LATER = BATCH.labels.clone()
LATER[:, 1] = IGNORED


@pytest.fixture(params=["gpt2", "llama"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return Engine(make_tiny_base(tmp_path, request.param))


def gradients(engine: Engine, way: type[PlainLoss], batch: Batch, step: int | None) -> torch.Tensor:
    """Of all layers; the head has the first tokens' in any case."""
    path = loss_by(way, engine.model, engine.weights)
    engine.weights.grads.zero_()
    with path.open():
        if step is None:
            path.backward(batch)
        else:
            with engine.ramp.at(step):
                path.backward(batch)
    head = engine.model.get_output_embeddings().weight
    layers = [p.grad.flatten() for p in engine.model.parameters() if p is not head]
    return torch.cat(layers).clone()


@pytest.mark.parametrize("way", [PlainLoss, PackedLoss, RowLoss])
def test_first_tokens_reach_the_layers_little_by_little(
    engine: Engine, way: type[PlainLoss]
) -> None:
    whole = gradients(engine, PlainLoss, BATCH, None)
    without = gradients(engine, PlainLoss, Batch(BATCH.ids, LATER, BATCH.tokens - 3), None)
    assert (whole - without).norm() / whole.norm() > 0.1
    for step in (0, 1, STEPS, STEPS + 9):
        share = min(step / STEPS, 1)
        expected = without + share * (whole - without)
        found = gradients(engine, way, BATCH, step)
        assert (found - expected).norm() / expected.norm() < 1e-5
    assert torch.equal(gradients(engine, PlainLoss, BATCH, None), whole), "nothing is left behind"


def test_a_training_learns_first_tokens_all_the_same(engine: Engine) -> None:
    texts = [f"{first} {text}" for first, text in zip("AB" * 60, sentences(120), strict=True)]

    def loss_of_first() -> float:
        ids = torch.tensor([[engine.tokenizer(texts[0]).input_ids[0]]])
        begin = torch.tensor([[engine.documents(texts[:1], Spec())[0][0]]])
        with torch.no_grad():
            logits = engine.model(input_ids=begin).logits[0].float()
        return float(torch.nn.functional.cross_entropy(logits, ids[0]))

    engine.use("fp32")
    engine.restore()
    before = loss_of_first()
    train(engine, texts[:100], texts[100:], Spec(precision="fp32", learning_rate=3e-3))
    assert loss_of_first() < before - 1
