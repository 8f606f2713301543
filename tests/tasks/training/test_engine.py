from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

from tasks.core.errors import BadInput, BaseUnavailable
from tasks.core.records import Base, Progress, Spec
from tasks.training.compute.fast_loss import PackedLoss, RowLoss
from tasks.training.compute.precision import choose_precision
from tasks.training.data.batches import batches_of, pad
from tasks.training.data.documents import Document, scored
from tasks.training.engine import Engine, engine_for
from tasks.training.loss import PlainLoss, mean_loss, summed_loss
from tasks.training.schedule import FEW_STEPS, share
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tasks.training.ways import loss_by
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3)
TEXTS = sentences(160)
TRAIN, HELD_OUT = TEXTS[:130], TEXTS[130:]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(make_tiny_base(tmp_path_factory.mktemp("base"), request.param))


def gradients(engine: Engine) -> torch.Tensor:
    found = engine.weights.grads.clone()
    engine.weights.grads.zero_()
    return found


@pytest.mark.parametrize("way", [PlainLoss, RowLoss, PackedLoss])
def test_batched_gradients_equal_those_of_each_post_alone(
    engine: Engine, way: type[PlainLoss]
) -> None:
    engine.use("fp32")
    engine.restore()
    path = loss_by(way, engine.model, engine.weights)
    documents = engine.documents(TRAIN[:24], SPEC)
    for document in documents:
        ids = torch.tensor([document])
        logits = engine.model(input_ids=ids, use_cache=False).logits[0, :-1]
        torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
    alone = gradients(engine)
    with path.open():
        losses = [float(path.backward(batch)) for batch in batches_of(documents, 300)]
        again = [float(path.nats(batch).sum()) for batch in batches_of(documents, 300)]
    batched = gradients(engine)
    assert (batched - alone).norm() / alone.norm() < 1e-5
    assert losses == pytest.approx(again)
    expected = mean_loss(engine.model, documents, "fp32")
    assert sum(losses) / scored(documents) == pytest.approx(expected, rel=1e-5)


def test_a_token_sees_only_what_stands_before_it(engine: Engine) -> None:
    engine.use("fp32")
    engine.restore()
    ids = torch.tensor([engine.documents([TRAIN[0]], SPEC)[0]])
    changed = ids.clone()
    changed[0, 10:] = 5
    with torch.no_grad():
        one, other = (engine.model(input_ids=x, use_cache=False).logits for x in (ids, changed))
    torch.testing.assert_close(one[0, :10], other[0, :10])
    assert not torch.allclose(one[0, 10:], other[0, 10:])


def test_padding_never_counts(engine: Engine) -> None:
    engine.use("fp32")
    engine.restore()
    document = engine.documents([TRAIN[0]], SPEC)[0]
    longer = engine.documents([" ".join(TRAIN[:2])], SPEC)[0]
    alone = float(summed_loss(engine.model, pad([document]), "fp32").detach())
    both = float(summed_loss(engine.model, pad([document, longer]), "fp32").detach())
    other = float(summed_loss(engine.model, pad([longer]), "fp32").detach())
    assert alone + other == pytest.approx(both, rel=1e-5)


def test_training_learns_and_can_be_repeated_bit_for_bit(engine: Engine) -> None:
    seen: list[Progress] = []
    first = train(engine, TRAIN, HELD_OUT, SPEC, on_progress=seen.append)
    weights = engine.weights.copy()
    assert first.held_out_loss < first.base_loss - 0.5
    assert seen[-1].done == seen[-1].total == first.tokens
    assert [p.done for p in seen] == sorted({p.done for p in seen}), "the end is reported once"
    assert seen[-1].held_out == first.history[-1][2]

    other = train(engine, TRAIN, HELD_OUT, Spec(**{**vars(SPEC), "seed": 1}))
    assert other.held_out_loss != first.held_out_loss
    again = train(engine, TRAIN, HELD_OUT, SPEC)
    assert again.history == first.history
    assert torch.equal(engine.weights.copy(), weights)


def test_the_best_weights_are_kept_when_training_goes_wrong(engine: Engine) -> None:
    wild = Spec(precision="fp32", learning_rate=1.0, epochs=6, clip=1e9)
    trained = train(engine, TRAIN, HELD_OUT, wild)
    assert trained.epochs < wild.epochs, "the early stop"
    documents = engine.documents(HELD_OUT, wild)
    assert mean_loss(engine.model, documents, "fp32") == pytest.approx(trained.held_out_loss)
    assert trained.held_out_loss <= trained.base_loss


def test_dropout_is_off_in_training(engine: Engine) -> None:
    train(engine, TRAIN[:20], HELD_OUT, SPEC)
    assert not any(module.training for module in engine.model.modules())


def test_a_training_that_diverges_ends_with_the_best_weights(engine: Engine) -> None:
    seen: list[Progress] = []
    wild = Spec(precision="fp32", learning_rate=1.0, epochs=6, clip=1e9)
    trained = train(engine, TRAIN, HELD_OUT, wild, on_progress=seen.append)
    assert all(math.isfinite(number) for line in trained.history for number in line)
    assert trained.held_out_loss <= trained.base_loss
    assert seen[-1].done == seen[-1].total
    engine.restore()
    assert engine.base_loss(HELD_OUT, wild) == trained.base_loss


class Scripted(PackedLoss):
    """Finds the losses that a test has written down, in nats a token."""

    def __init__(self, engine: Engine, *losses: float) -> None:
        super().__init__(engine.model, engine.weights)
        self.losses = list(losses)

    def each(self, documents: Sequence[Document]) -> list[float]:
        loss = self.losses.pop(0)
        return [loss * (len(document) - 1) for document in documents]


@pytest.mark.parametrize(
    ("losses", "epochs", "best"),
    [
        ((4.5, 4.0, 4.1, 4.05), 1.5, 4.0),
        ((4.5, 4.0, 3.99, 3.98), 1.5, 3.98),
        ((4.5, 4.0, 4.1, 3.9, 3.89, 3.88), 2.0, 3.88),
        ((4.5, 4.0, 3.9, 3.89, 3.88), 1.75, 3.88),
        ((4.5, 4.0, 3.9, 3.8, 3.7, 3.6), 2.0, 3.6),
        ((4.995, 4.99, 4.98, 4.97), 1.5, 4.97),
        ((4.5, 4.6, 4.7), 1.25, 4.5),
        ((5.1, 5.2), 1.0, 5.0),
    ],
)
def test_a_training_ends_once_little_is_gained(
    losses: tuple[float, ...], epochs: float, best: float, tmp_path: Path
) -> None:
    engine = Engine(make_tiny_base(tmp_path))
    engine.loss = Scripted(engine, 5.0, *losses)
    trained = train(engine, TRAIN, HELD_OUT, Spec(precision="fp32", batch_tokens=64))
    assert [round(loss, 6) for _, _, loss in trained.history] == list(losses)
    assert trained.epochs == pytest.approx(epochs, abs=0.05)
    assert trained.held_out_loss == pytest.approx(best)


def test_few_posts_are_measured_after_each_batch(engine: Engine) -> None:
    trained = train(engine, TRAIN[:3], HELD_OUT, Spec(evaluations=7, precision="fp32"))
    assert (trained.epochs, trained.steps, len(trained.history)) == (2, 2, 2)


def test_bf16_is_near_to_fp32(engine: Engine) -> None:
    exact, rough = (
        train(engine, TRAIN, HELD_OUT, Spec(**{**vars(SPEC), "precision": precision}))
        for precision in ("fp32", "bf16")
    )
    assert rough.precision == "bf16"
    assert rough.held_out_loss == pytest.approx(exact.held_out_loss, rel=0.02)
    assert all(parameter.dtype is torch.bfloat16 for parameter in engine.model.parameters())


def test_a_bot_of_several_handles_is_trained(engine: Engine) -> None:
    owners = ["a"] * 20 + ["b"] * 110
    alone = train(engine, TRAIN, HELD_OUT, SPEC)
    together = train(engine, TRAIN, HELD_OUT, SPEC, handles=owners)
    assert together.tokens > alone.tokens * 1.5, "the small handle is repeated"


def test_the_engine_of_a_base_stays_warm(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    engine = engine_for(base)
    assert engine_for(base) is engine
    engine_for(make_tiny_base(tmp_path / "other"))
    assert engine_for(base) is not engine, "only one base is kept in memory"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseUnavailable, match="tokenizer"):
        Engine(Base("x", str(tmp_path), "1", "nowhere"))
    make_tiny_base(tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").unlink()
    with pytest.raises(BaseUnavailable, match="safetensors"):
        Engine(Base("x", str(tmp_path / "base"), "1", "nowhere"))


def test_a_model_that_sees_what_comes_is_refused(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertLMHeadModel(BertConfig(vocab_size=400, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(BaseUnavailable, match="tokens after it; choose a causal"):
        Engine(base)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_schedules_rise_and_fall_to_zero(schedule: str) -> None:
    shares = [share(step, 100, 0.05, schedule) for step in range(100)]
    assert shares[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert shares[4:] == sorted(shares[4:], reverse=True)
    assert 0 <= shares[-1] < 0.02


def test_a_short_training_rises_over_four_steps_or_a_quarter_of_them() -> None:
    first = {
        steps: [share(step, steps, 0.05, "constant") for step in range(min(steps, 4))]
        for steps in (3, 8, 12, 26, 90)
    }
    assert first[3] == [1.0, 1.0, 1.0]
    assert first[8] == [0.5, 1.0, 1.0, 1.0]
    assert first[12] == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    assert first[26] == first[90] == [0.25, 0.5, 0.75, 1.0]
    assert share(0, 26, 0.0, "linear") == 1.0, "unless no warm-up is asked for"


def test_precision_is_chosen_or_taken() -> None:
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) in {"bf16", "fp32"}
    assert choose_precision("bf16", cpu) == "bf16"
    with pytest.raises(BadInput):
        choose_precision("fp16", cpu)


def test_few_steps_are_larger_unless_a_rate_is_asked_for(tmp_path: Path) -> None:
    engine = Engine(make_tiny_base(tmp_path))
    texts = sentences(60)

    def trained(number: int, rate: float | None = None) -> tuple[int, float]:
        spec = Spec(learning_rate=rate, batch_tokens=64, epochs=1, precision="fp32")
        found = train(engine, texts[:number], texts[50:], spec)
        return found.steps, found.learning_rate

    few, many = trained(5), trained(50)
    assert few[0] < FEW_STEPS <= many[0]
    assert (few[1], many[1]) == (3e-4, 2e-4)
    assert trained(5, 1e-3)[1] == 1e-3
