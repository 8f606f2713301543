from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, BaseUnavailable
from tasks.core.records import Progress, Spec
from tasks.training.adapters import merge
from tasks.training.compute.cuda_graphs import Graphs
from tasks.training.compute.packed_rows import in_rows, rows_of
from tasks.training.data.batches import IGNORED, pad
from tasks.training.engine import Engine
from tasks.training.held_out_loss import mean_loss
from tasks.training.stack import Stack
from tasks.training.stacked import StackedLayers
from tasks.training.together import BotTexts, TrainedBot, train_bot, train_together
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

TEXTS = sentences(400)
FULL = Spec(precision="fp32", learning_rate=3e-3)
ADAPTER = Spec(mode="adapter", adapter_rank=4, precision="fp32", learning_rate=2e-2)
# Of different sizes; the last has two handles.
BOTS = [
    BotTexts("small", TEXTS[:40], TEXTS[40:55]),
    BotTexts("large", TEXTS[60:190], TEXTS[190:220]),
    BotTexts("double", TEXTS[220:300], TEXTS[300:320], ["a"] * 20 + ["b"] * 60),
]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(make_tiny_base(tmp_path_factory.mktemp("base"), request.param))


def put_in_place(engine: Engine, bot: TrainedBot) -> None:
    engine.restore(bot.weights)
    if bot.adapter:
        merge(engine.model, bot.adapter)


@pytest.mark.parametrize("spec", [FULL, ADAPTER, replace(FULL, schedule="cosine")])
def test_each_bot_ends_where_it_would_alone(engine: Engine, spec: Spec) -> None:
    together = train_together(engine, BOTS, spec, at_once=3)
    for bot, found in zip(BOTS, together, strict=True):
        alone, adapter = train_bot(engine, bot.train, bot.held_out, spec, handles=bot.handles)
        assert (adapter is None) == (spec.mode == "full")
        assert found.name == bot.name
        assert found.trained.held_out_loss == pytest.approx(alone.held_out_loss, rel=0.005)
        assert found.trained.held_out_loss < found.trained.base_loss - 0.05
        same = ("steps", "tokens", "epochs", "learning_rate", "precision")
        assert [getattr(found.trained, n) for n in same] == [getattr(alone, n) for n in same]
        assert len(found.trained.history) == len(alone.history)
        for one, other in zip(found.trained.history, alone.history, strict=True):
            assert one == pytest.approx(other, rel=0.005)
        assert found.trained.flops == pytest.approx(alone.flops)


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_what_comes_out_has_the_loss_that_is_told(engine: Engine, spec: Spec) -> None:
    for bot, found in zip(BOTS, train_together(engine, BOTS, spec, at_once=3), strict=True):
        put_in_place(engine, found)
        documents = engine.documents(bot.held_out, spec)
        loss = mean_loss(engine.model, documents, "fp32")
        assert loss == pytest.approx(found.trained.held_out_loss, rel=1e-4)
    engine.restore()


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_one_bot_does_not_touch_another(engine: Engine, spec: Spec) -> None:
    other = BotTexts("large", TEXTS[330:370], TEXTS[370:390])
    first, again = (
        train_together(engine, [BOTS[0], beside], spec, at_once=2)[0] for beside in (BOTS[1], other)
    )
    assert first.trained.held_out_loss == pytest.approx(again.trained.held_out_loss, rel=1e-4)


def test_a_bot_stops_early_by_itself_and_keeps_its_best(engine: Engine) -> None:
    # What is to be learnt is in the held-out posts of the first, and not in those of the second.
    strange = ["".join(chr(0x4E00 + (n * k) % 500) for n in range(20)) for k in range(3, 13)]
    bots = [BotTexts("learns", TEXTS[:60], TEXTS[60:80]), BotTexts("not", TEXTS[80:140], strange)]
    spec = replace(FULL, epochs=4, learning_rate=1e-2)
    told: dict[str, list[Progress]] = {"learns": [], "not": []}
    learns, stops = train_together(
        engine,
        bots,
        spec,
        at_once=2,
        on_progress=lambda bot, progress: told[bot].append(progress),
    )
    assert stops.trained.epochs < learns.trained.epochs
    best = min(loss for _, _, loss in stops.trained.history)
    assert stops.trained.held_out_loss == min(best, stops.trained.base_loss)
    for name, found in (("learns", learns), ("not", stops)):
        done = [progress.done for progress in told[name]]
        assert done == sorted(done)
        assert told[name][-1].done == told[name][-1].total == found.trained.tokens


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_a_training_that_diverges_ends_with_the_best_weights(engine: Engine, spec: Spec) -> None:
    wild = replace(spec, learning_rate=1e30, clip=1e9, epochs=4)
    for bot, found in zip(BOTS, train_together(engine, BOTS[:2], wild, at_once=3), strict=False):
        assert all(math.isfinite(number) for line in found.trained.history for number in line)
        assert found.trained.held_out_loss <= found.trained.base_loss
        put_in_place(engine, found)
        loss = engine.mean_loss(engine.documents(bot.held_out, spec))
        assert loss == pytest.approx(found.trained.held_out_loss, rel=1e-3)


def test_dropout_changes_a_training(engine: Engine) -> None:
    plain, dropped = (
        train_together(engine, BOTS[:2], replace(ADAPTER, dropout=share), at_once=3)
        for share in (0.0, 0.3)
    )
    assert plain[0].trained.held_out_loss != dropped[0].trained.held_out_loss


class Room:
    """Memory for so many rows at once, and for so many tokens."""

    def __init__(self, engine: Engine, rows: int, tokens: int = 10_000) -> None:
        self.rows, self.tokens, self.largest = rows, tokens, 0
        self.hook = engine.model.base_model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _module: Any, _args: Any, kwargs: dict[str, torch.Tensor]) -> None:
        rows, tokens = kwargs["input_ids"].shape
        if torch.is_grad_enabled():
            if rows > self.rows or rows * tokens > self.tokens:
                raise torch.OutOfMemoryError("made in a test")
            self.largest = max(self.largest, rows)


@pytest.fixture
def room(engine: Engine, request: pytest.FixtureRequest) -> Callable[..., Room]:
    def of(*sizes: int) -> Room:
        made = Room(engine, *sizes)
        request.addfinalizer(made.hook.remove)
        return made

    return of


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_fewer_are_trained_at_once_where_memory_runs_out(
    engine: Engine, spec: Spec, room: Callable[..., Room], caplog: pytest.LogCaptureFixture
) -> None:
    enough = train_together(engine, BOTS, spec, at_once=2)
    narrow = room(2)
    found = train_together(engine, BOTS, spec, at_once=3)
    assert narrow.largest == 2
    assert "out of memory with 3 bots at once; trying 2" in caplog.text
    assert [bot.name for bot in found] == ["small", "large", "double"]
    for one, other in zip(found, enough, strict=True):
        assert one.trained.history == other.trained.history


def test_a_lone_adapter_is_trained_in_pieces_where_memory_runs_out(
    engine: Engine, room: Callable[..., Room]
) -> None:
    whole, _ = train_bot(engine, BOTS[0].train, BOTS[0].held_out, ADAPTER)
    room(1, 200)
    pieces, _ = train_bot(engine, BOTS[0].train, BOTS[0].held_out, ADAPTER)
    assert pieces.held_out_loss == pytest.approx(whole.held_out_loss, rel=1e-3)


def test_one_post_that_does_not_fit_is_told(engine: Engine, room: Callable[..., Room]) -> None:
    room(1, 8)
    with pytest.raises(BaseUnavailable, match="one post alone does not fit in memory"):
        train_together(engine, BOTS, ADAPTER, at_once=3)


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_recorded_steps_are_the_same_steps(
    engine: Engine, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train_together(engine, BOTS, spec, at_once=3)
    made = []

    def capture(work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Callable[[], None]]:
        loss = torch.zeros(len(BOTS) - len(made) % len(BOTS))
        made.append(loss)
        return loss, lambda: loss.copy_(work())

    monkeypatch.setattr(engine, "graphs", Graphs(capture))
    found = train_together(engine, BOTS, spec, at_once=3)
    assert len(made) == len(BOTS), "a shape each time that a bot leaves"
    for one, other in zip(found, expected, strict=True):
        assert one.trained.held_out_loss == pytest.approx(other.trained.held_out_loss, rel=1e-4)


def test_a_recording_that_does_not_fit_ends_in_pieces_or_fewer_bots(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = train_together(engine, BOTS[:2], ADAPTER, at_once=3)

    def capture(_work: object) -> Any:
        raise torch.OutOfMemoryError("made in a test")

    monkeypatch.setattr(engine, "graphs", Graphs(capture))
    found = train_together(engine, BOTS[:2], ADAPTER, at_once=3)
    assert "out of memory with 2 bots at once; trying 1" in caplog.text
    for one, other in zip(found, expected, strict=True):
        assert one.trained.held_out_loss == pytest.approx(other.trained.held_out_loss, rel=1e-3)


def test_layers_that_cannot_be_stacked_are_told(tmp_path: Path) -> None:
    engine = Engine(make_tiny_base(tmp_path))
    model = engine.model
    model.transformer.drop = torch.nn.PReLU()
    with pytest.raises(BaseUnavailable, match="PReLU layers cannot be trained for several"):
        StackedLayers(model, engine.flat)


@pytest.mark.parametrize(("mode", "rate"), [("full", 3e-4), ("adapter", 1.5e-3)])
def test_adapters_are_trained_at_a_higher_rate(engine: Engine, mode: str, rate: float) -> None:
    bots = [replace(bot, train=bot.train[:8], handles=None) for bot in BOTS[:2]]
    spec = Spec(mode=mode, adapter_rank=2, precision="fp32", epochs=1)
    found = train_together(engine, bots, spec, at_once=3)
    assert [bot.trained.learning_rate for bot in found] == [rate, rate]


def test_at_once_is_a_number_of_bots(engine: Engine) -> None:
    with pytest.raises(BadInput, match="1 or more at once, not 0"):
        train_together(engine, BOTS, FULL, at_once=0)
    assert train_together(engine, [], FULL) == []


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_bf16_is_near_to_fp32(engine: Engine, spec: Spec) -> None:
    exact, rough = (
        train_together(engine, BOTS, replace(spec, precision=precision), at_once=3)
        for precision in ("fp32", "bf16")
    )
    for one, other in zip(exact, rough, strict=True):
        assert other.trained.precision == "bf16"
        assert other.trained.held_out_loss == pytest.approx(one.trained.held_out_loss, rel=0.02)


def test_on_a_cpu_bots_are_trained_one_after_another(
    engine: Engine, room: Callable[..., Room]
) -> None:
    narrow = room(1)
    assert len(train_together(engine, BOTS[:2], ADAPTER)) == 2
    assert narrow.largest == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_row_of_a_stack_takes_its_own_steps_of_adamw(dtype: torch.dtype) -> None:
    start = torch.randn(12, generator=torch.manual_seed(0))
    stack = Stack(start, {"a": (0, torch.Size([2, 3])), "b": (6, torch.Size([6]))}, 3, dtype)
    alone = [torch.nn.Parameter(start.clone()) for _ in range(3)]
    rates, shares, clip, decay = (0.1, 0.01, 0.2), (1.0, 0.5, 0.1), 0.7, 0.1
    theirs = [
        torch.optim.AdamW([weights], lr=rate, weight_decay=decay)
        for weights, rate in zip(alone, rates, strict=True)
    ]
    rows = [0, 1, 2]
    for step in range(4):
        if step == 2:
            rows = [0, 2]
            stack.keep(rows)
        for place, row in enumerate(rows):
            grad = torch.randn(12, generator=torch.manual_seed(10 * step + row)).to(dtype)
            stack.grads[place] = grad
            alone[row].grad = grad.float() * shares[row]
            torch.nn.utils.clip_grad_norm_([alone[row]], clip)
            theirs[row].step()
        chosen = (torch.tensor([of[row] for row in rows]) for of in (rates, shares))
        stack.step(*chosen, clip, decay)
        assert (stack.grads == 0).all()
    for place, row in enumerate(rows):
        torch.testing.assert_close(stack.master[place], alone[row].detach(), rtol=1e-4, atol=1e-5)
        assert torch.equal(stack.weights[place], stack.master[place].to(dtype))
    assert stack.views["a"].shape == (2, 2, 3)
    assert stack.views["b"].data_ptr() == stack.weights[:, 6:].data_ptr()


documents = st.lists(st.lists(st.integers(1, 99), min_size=2, max_size=20), min_size=1, max_size=6)


@given(st.lists(documents, min_size=1, max_size=4))
def test_rows_hold_every_token_once_with_what_follows_it(bots: list[list[list[int]]]) -> None:
    rows = rows_of(in_rows([pad(documents) for documents in bots]).ids)
    assert rows.ids.shape[1] % 8 == 0
    for row, documents in enumerate(bots):
        count = sum(map(len, documents))
        assert rows.ids[row, :count].tolist() == [token for d in documents for token in d]
        following = [token for d in documents for token in [*d[1:], IGNORED]]
        assert rows.aims[row, :count].tolist() == following
        assert rows.positions[row, :count].tolist() == [n for d in documents for n in range(len(d))]
        assert set(rows.documents[row, count:].tolist()) <= {-1}
        assert set(rows.aims[row, count:].tolist()) <= {IGNORED}
