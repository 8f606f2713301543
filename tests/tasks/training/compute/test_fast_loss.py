from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from tasks.training.bases.loading import load_model
from tasks.training.compute import packed_attention as attention
from tasks.training.compute.fast_loss import PackedLoss, RowLoss, fastest_loss
from tasks.training.compute.fast_modules import fast
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.data.batches import pad
from tasks.training.loss import PlainLoss
from tests.tasks.training.ways import loss_by
from tests.tiny import make_tiny_base

CPU = torch.device("cpu")
SMALL = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
DOCUMENTS = [[1, 2, 3, 4, 5], [6, 7, 8], [9, 10, 11, 12, 13, 14, 15, 16, 17]]


def llama(**changes: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(**{**SMALL, "num_attention_heads": 4, "head_dim": 8, **changes})
    model = LlamaForCausalLM(config).eval()
    model.set_attn_implementation("eager")
    return model


def implementation(model: LlamaForCausalLM) -> str:
    return str(model.config._attn_implementation)  # noqa: SLF001 - it has no public name


def gradients(
    way: type[PlainLoss], model: Any, weights: FlatWeights, dtype: torch.dtype = torch.float32
) -> tuple[float, torch.Tensor]:
    found = loss_by(way, model, weights)
    weights.use(dtype)
    weights.grads.zero_()
    with found.open():
        loss = float(found.backward(pad(DOCUMENTS)))
    return loss, weights.grads.clone()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 2},
        {"tie_word_embeddings": True},
        {"attention_bias": True, "mlp_bias": True},
        {"hidden_act": "gelu_pytorch_tanh"},
    ],
)
@pytest.mark.parametrize("way", [PackedLoss, RowLoss])
def test_every_kind_of_llama_has_the_plain_gradients(
    way: type[PlainLoss], changes: dict[str, object]
) -> None:
    model = llama(**changes)
    flat = FlatWeights(model.parameters())
    loss, expected = gradients(PlainLoss, model, flat)
    fast_loss, found = gradients(way, model, flat)
    assert fast_loss == pytest.approx(loss, rel=1e-5)
    assert (found - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize("window", [1, 3, 9, None])
@pytest.mark.parametrize("way", [PackedLoss, RowLoss])
def test_windows_are_the_models_own(way: type[PlainLoss], window: int | None) -> None:
    torch.manual_seed(0)
    config = MistralConfig(**SMALL, num_attention_heads=4, num_key_value_heads=2)
    config.sliding_window = window
    model = MistralForCausalLM(config).eval()
    model.set_attn_implementation("eager")
    flat = FlatWeights(model.parameters())
    loss, expected = gradients(PlainLoss, model, flat)
    fast_loss, found = gradients(way, model, flat)
    assert fast_loss == pytest.approx(loss, rel=1e-5)
    assert (found - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize("way", [PackedLoss, RowLoss])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_in_bf16_they_are_as_near_as_bf16_is(
    architecture: str, way: type[PlainLoss], tmp_path: Path
) -> None:
    make_tiny_base(tmp_path, architecture)
    model = load_model(tmp_path, CPU, torch.float32)
    flat = FlatWeights(model.parameters())
    _, exact = gradients(PlainLoss, model, flat)
    loss, found = gradients(way, model, flat, torch.bfloat16)
    plain_loss, plain = gradients(PlainLoss, model, flat, torch.bfloat16)
    assert loss == pytest.approx(plain_loss, rel=0.01)
    error, plain_error = (g.float().sub(exact).norm() / exact.norm() for g in (found, plain))
    assert error < max(1.5 * plain_error, 0.02)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_fast_way_is_chosen_where_it_fits(architecture: str, tmp_path: Path) -> None:
    make_tiny_base(tmp_path, architecture)
    model = load_model(tmp_path, CPU, torch.float32)
    assert type(fastest_loss(model, FlatWeights(model.parameters()))) is PackedLoss


def test_outside_the_block_the_model_is_transformers_own() -> None:
    model = llama()
    before = [type(module).forward for module in model.modules()]
    inside = ""
    flat = FlatWeights(model.parameters())
    with contextlib.suppress(ValueError), fast(model, flat, on_gpu=False):
        inside = implementation(model)
        raise ValueError
    assert (inside, implementation(model)) == (attention.NAME, "eager")
    assert [module.forward.__func__ for module in model.modules()] == before


def test_a_model_that_does_more_than_a_fast_way_knows_is_trained_plainly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    class Louder(LlamaForCausalLM):
        def forward(self, *args: object, **kwargs: object) -> object:
            output = super().forward(*args, **kwargs)
            output.logits = output.logits * 2
            return output

    louder = Louder(llama().config).eval()
    assert type(fastest_loss(louder, FlatWeights(louder.parameters()))) is PlainLoss
    assert "which change it" in caplog.text

    biased = llama()
    biased.lm_head.bias = torch.nn.Parameter(torch.ones(50))
    assert type(fastest_loss(biased, FlatWeights(biased.parameters()))) is PlainLoss
    assert "the head has a bias" in caplog.text

    # Too little to be seen at first, when scores are small.
    config = Gemma2Config(**SMALL, head_dim=8, attn_logit_softcapping=50.0)
    config.final_logit_softcapping = None
    bent = Gemma2ForCausalLM(config).eval()
    assert type(fastest_loss(bent, FlatWeights(bent.parameters()))) is PlainLoss
    assert "attention with softcap" in caplog.text


def test_the_weights_stay_tied_and_flat() -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_positions=32, n_embd=24, n_layer=1, n_head=2)
    model = GPT2LMHeadModel(config).eval()
    flat = FlatWeights(model.parameters())
    for dtype in (torch.bfloat16, torch.float32):
        flat.use(dtype)
        assert model.lm_head.weight is model.transformer.wte.weight
        assert {p.dtype for p in model.parameters()} == {dtype}
        flat.weights.fill_(0.5)
        assert all((p == 0.5).all() for p in model.parameters())
        assert all(p.data_ptr() % 64 == flat.weights.data_ptr() % 64 for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_are_those_of_adamw(dtype: torch.dtype) -> None:
    model, other = llama(), llama()
    flat = FlatWeights(model.parameters())
    flat.use(dtype)
    flat.begin()
    rate, clip, decay = 1e-2, 0.5, 0.1
    theirs = torch.optim.AdamW(other.parameters(), lr=rate, weight_decay=decay)
    for step in range(3):
        torch.manual_seed(step)
        for mine, their in zip(model.parameters(), other.parameters(), strict=True):
            their.grad = torch.randn_like(their).to(dtype).float()
            mine.grad.copy_(their.grad * 8)
        torch.nn.utils.clip_grad_norm_(other.parameters(), clip)
        theirs.step()
        flat.step(torch.tensor(rate), torch.tensor(1 / 8), clip, decay)
    assert (flat.grads == 0).all()
    flat.use(torch.float32)
    for mine, their in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-4, atol=1e-6)
