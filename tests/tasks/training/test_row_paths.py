from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedConfig

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Base, Spec
from tasks.training.adapters import AdapterLayers, merge
from tasks.training.engine import Engine
from tasks.training.held_out_loss import mean_loss
from tasks.training.row_paths import ByOwnHead, ByWeight, row_path_for
from tasks.training.stack_functions import lookup
from tasks.training.stacked import StackedLayers
from tasks.training.together import BotTexts, train_bot, train_together
from tests.sample_posts import sentences
from tests.tiny import make_tiny_tokenizer

TEXTS = sentences(120)
BOTS = [BotTexts("a", TEXTS[:30], TEXTS[30:45]), BotTexts("b", TEXTS[50:100], TEXTS[100:115])]
FULL = Spec(precision="fp32", learning_rate=3e-3, epochs=1)
ADAPTER = replace(FULL, mode="adapter", adapter_rank=4, learning_rate=2e-2)

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
GATED = {**SIZES, "intermediate_size": 64, "num_key_value_heads": 1, "max_position_embeddings": 128}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
GEMMA2 = {**GATED, "head_dim": 16, "query_pre_attn_scalar": 16}
# What each does that a plain model does not.
ARCHITECTURES: dict[str, tuple[str, dict[str, object]]] = {
    "plain": ("Llama", GATED),
    "logits divided": ("Granite", {**GATED, "logits_scaling": 4.0, "embedding_multiplier": 6.0}),
    "logits bent": ("Gemma2", {**GEMMA2, "final_logit_softcapping": 0.2}),
    "scores bent": (
        "Gemma2",
        {**GEMMA2, "attn_logit_softcapping": 0.2, "final_logit_softcapping": None},
    ),
    "logits multiplied": ("Cohere", {**GATED, "logit_scale": 0.25}),
    "head with bias": ("Phi", {**GATED, "num_key_value_heads": None}),
    "head with bias, older": ("GPTJ", {**GPT2, "rotary_dim": 8}),
    "experts": ("Mixtral", {**GATED, "num_local_experts": 4}),
    "distances": ("Bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 2}),
    "layers of its own": ("Falcon", SIZES),
    "recurrent": ("Mamba", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
    "window": ("Mistral", {**GATED, "sliding_window": 8}),
    "window in some layers": (
        "GPTNeo",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 2,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 8,
        },
    ),
}
NO_ADAPTERS = ["distances", "recurrent", "window"]
STACKED = [
    "plain",
    "logits divided",
    "head with bias",
    "head with bias, older",
    "window in some layers",
]


def engine_of(kind: str, folder: Path) -> Engine:
    architecture, sizes = ARCHITECTURES[kind]
    tokenizer = make_tiny_tokenizer()
    config: PreTrainedConfig = getattr(transformers, f"{architecture}Config")(
        vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, pad_token_id=0, **sizes
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # biases begin at zero, and all else is small
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Engine(Base(kind, str(folder), "tiny", "made in a test"))


@pytest.fixture(scope="module")
def engine_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Engine]:
    made: dict[str, Engine] = {}

    def of(kind: str) -> Engine:
        if kind not in made:
            made[kind] = engine_of(kind, tmp_path_factory.mktemp("base"))
        engine = made[kind]
        engine.use("bf16")  # as another bot may leave it, and with that bot's weights
        engine.restore(engine.flat.base * 1.1)
        return engine

    return of


def own_loss(engine: Engine, bot: BotTexts) -> float:
    """The model's own, as transformers computes it."""
    return mean_loss(engine.model, engine.documents(bot.held_out, FULL), "fp32")


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_bot_alone_has_the_loss_that_is_told(
    kind: str, engine_for: Callable[[str], Engine]
) -> None:
    engine = engine_for(kind)
    trained = engine.train(BOTS[0].train, BOTS[0].held_out, FULL)
    assert trained.held_out_loss < trained.base_loss
    assert own_loss(engine, BOTS[0]) == pytest.approx(trained.held_out_loss, rel=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in ARCHITECTURES if kind not in NO_ADAPTERS])
def test_adapters_have_the_loss_that_is_told(
    kind: str, engine_for: Callable[[str], Engine]
) -> None:
    engine = engine_for(kind)
    for bot, found in zip(BOTS, train_together(engine, BOTS, ADAPTER, at_once=2), strict=True):
        assert found.adapter is not None
        engine.restore()
        merge(engine.model, found.adapter)
        assert found.trained.held_out_loss < found.trained.base_loss
        assert own_loss(engine, bot) == pytest.approx(found.trained.held_out_loss, rel=1e-5)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_all_weights_trained_at_once_have_the_loss_that_is_told(
    kind: str, engine_for: Callable[[str], Engine], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    engine = engine_for(kind)
    told = []
    results = train_together(
        engine, BOTS, FULL, at_once=2, on_progress=lambda bot, _progress: told.append(bot)
    )
    for bot, found in zip(BOTS, results, strict=True):
        engine.restore(found.weights)
        assert found.trained.held_out_loss < found.trained.base_loss
        assert own_loss(engine, bot) == pytest.approx(found.trained.held_out_loss, rel=1e-5)
    assert set(told) == {"a", "b"}
    assert ("bots are trained one after another: " in caplog.text) == (kind not in STACKED)


@pytest.mark.parametrize("kind", NO_ADAPTERS)
def test_documents_that_cannot_share_a_row_are_told_before_the_training(
    kind: str, engine_for: Callable[[str], Engine]
) -> None:
    with pytest.raises(BaseUnavailable, match=r"another loss in .* use mode full") as told:
        train_bot(engine_for(kind), BOTS[0].train, BOTS[0].held_out, ADAPTER)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("kind", "way"), [("plain", ByWeight), ("head with bias", ByOwnHead)])
def test_the_head_is_left_out_only_where_that_changes_nothing(
    kind: str, way: type, engine_for: Callable[[str], Engine]
) -> None:
    engine = engine_for(kind)
    engine.use("fp32")
    engine.restore()
    for layers in (AdapterLayers(engine.model, 4, 0), StackedLayers(engine.model, engine.flat)):
        for _ in range(2):
            assert type(row_path_for(engine, layers, FULL)) is way
        assert torch.equal(engine.flat.weights, engine.flat.base)


def test_memory_that_runs_out_is_no_disagreement(tmp_path: Path) -> None:
    engine = engine_of("plain", tmp_path)
    layers = AdapterLayers(engine.model, 4, 0)

    def full(_module: object, _inputs: object, kwargs: dict[str, torch.Tensor]) -> None:
        if kwargs["attention_mask"] is not None:
            raise torch.OutOfMemoryError("made in a test")

    hook = engine.model.base_model.register_forward_pre_hook(full, with_kwargs=True)
    with pytest.raises(torch.OutOfMemoryError):
        row_path_for(engine, layers, ADAPTER)
    hook.remove()
    assert type(row_path_for(engine, layers, ADAPTER)) is ByWeight


def test_a_model_without_linear_layers_gets_no_adapter(tmp_path: Path) -> None:
    engine = engine_of("plain", tmp_path)
    engine.model.model.layers = torch.nn.ModuleList()
    with pytest.raises(BaseUnavailable, match="no linear layers to add to: use mode full"):
        AdapterLayers(engine.model, 4, 0)


tables = st.integers(1, 3).flatmap(
    lambda bots: st.integers(1, 20).flatmap(
        lambda tokens: st.lists(
            st.lists(st.integers(0, 4), min_size=tokens, max_size=tokens),
            min_size=bots,
            max_size=bots,
        )
    )
)


@given(tables)
def test_gradients_of_equal_tokens_are_summed(ids: list[list[int]]) -> None:
    tokens = torch.tensor(ids)
    weight = torch.nn.Parameter(torch.zeros(len(ids), 5, 3))
    weight.grad = torch.ones_like(weight)
    upstream = torch.randn(*tokens.shape, 3, generator=torch.manual_seed(0))
    lookup(tokens, weight).backward(upstream)
    for bot, grad in enumerate(weight.grad):
        expected = torch.ones(5, 3).index_add_(0, tokens[bot], upstream[bot])
        torch.testing.assert_close(grad, expected)


def test_in_bf16_many_equal_tokens_lose_nothing() -> None:
    weight = torch.nn.Parameter(torch.zeros(1, 5, 3, dtype=torch.bfloat16))
    weight.grad = torch.zeros_like(weight)
    upstream = torch.full((1, 1000, 3), 0.01, dtype=torch.bfloat16)
    lookup(torch.ones(1, 1000, dtype=torch.long), weight).backward(upstream)
    # Summed in bf16 it stays at 4.
    assert weight.grad[0, 1].tolist() == pytest.approx([10.0] * 3, rel=0.01)
    assert weight.grad.count_nonzero() == 3
