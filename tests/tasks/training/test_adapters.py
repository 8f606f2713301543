from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.core.errors import BadInput, BaseUnavailable
from tasks.core.records import Base, Checkpoint, Spec
from tasks.evaluation.measuring import Rival, evaluate_bot
from tasks.training.adapter_files import WEIGHTS, has_adapter, load_adapter, save_adapter
from tasks.training.adapters import Adapter, AdapterLayers, linears, merge
from tasks.training.bases.loading import load_model
from tasks.training.compute.packed_rows import Rows, in_rows, rows_of
from tasks.training.data.batches import pad
from tasks.training.engine import Engine
from tasks.training.export import import_weights
from tasks.training.stack import Stack
from tasks.training.trainer import train_checkpoint
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(mode="adapter", adapter_rank=4, precision="fp32", learning_rate=2e-2)
TEXTS = sentences(160)
TRAIN, HELD_OUT = TEXTS[:130], TEXTS[130:]
CPU = torch.device("cpu")


@pytest.fixture(params=["gpt2", "llama"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return make_tiny_base(tmp_path / "base", request.param)


def model_of(base: Base) -> torch.nn.Module:
    model: torch.nn.Module = load_model(Path(base.folder), CPU, torch.float32)
    return model


def random_adapter(model: torch.nn.Module, rank: int = 4) -> Adapter:
    layers = AdapterLayers(model, rank, seed=0)
    return layers.adapter(torch.randn(layers.start.shape, generator=torch.manual_seed(1)) / 10)


def hidden(rows: Rows, model: torch.nn.Module) -> torch.Tensor:
    found: torch.Tensor = model.base_model(**rows.inputs(torch.float32)).last_hidden_state
    return found


def checkpoint(base: Base, folder: Path) -> Checkpoint:
    folder.mkdir()
    return train_checkpoint(
        TRAIN,
        HELD_OUT,
        ["a"] * len(TRAIN),
        base,
        SPEC,
        folder,
        fingerprint="f" * 64,
        uri="checkpoints/a/f",
        on_progress=lambda _progress: None,
    )


def test_every_linear_layer_but_the_head_gets_an_addition(tmp_path: Path) -> None:
    of_gpt2, of_llama = (
        {name.rpartition(".")[2] for name in linears(model_of(make_tiny_base(tmp_path / a, a)))}
        for a in ("gpt2", "llama")
    )
    assert of_gpt2 == {"c_attn", "c_proj", "c_fc"}
    assert of_llama == {f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")}


def test_attached_adapters_compute_what_merged_ones_do(base: Base) -> None:
    model = model_of(base)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    layers = AdapterLayers(model, 4, seed=0)
    stack = Stack(layers.start, layers.places, 2, torch.float32)
    rows = rows_of(in_rows([pad([[1, 2, 3, 4], [5, 6, 7]]), pad([[8, 9, 10]])]).ids)
    with torch.no_grad():
        plain = hidden(rows, model)
        with layers.attached(stack):
            torch.testing.assert_close(hidden(rows, model), plain, msg="B begins at zero")
            stack.weights.normal_(generator=torch.manual_seed(1)).div_(10)
            attached = hidden(rows, model)
        assert torch.equal(hidden(rows, model), plain), "nothing is left behind"
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])
    for row in range(2):
        merged = model_of(base)
        merge(merged, layers.adapter(stack.weights[row]))
        with torch.no_grad():
            found = hidden(rows, merged)[row]
        torch.testing.assert_close(found, attached[row], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(found, plain[row], atol=1e-2)


def test_an_adapter_comes_back_from_its_files(base: Base, tmp_path: Path) -> None:
    model = model_of(base)
    adapter = random_adapter(model)
    save_adapter(adapter, model, "somebody/base", tmp_path)
    assert has_adapter(tmp_path)
    found = load_adapter(tmp_path)
    assert found.rank == 4
    assert found.factors.keys() == adapter.factors.keys()
    for name, factors in adapter.factors.items():
        for one, other in zip(factors, found.factors[name], strict=True):
            assert torch.equal(one.bfloat16(), other)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "somebody/base"
    assert config["fan_in_fan_out"] == (model.config.model_type == "gpt2")


def test_pefts_own_library_computes_the_same(base: Base, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is no dependency; its format is")
    model, other = model_of(base), model_of(base)
    save_adapter(random_adapter(model), model, base.folder, tmp_path)
    theirs = peft.PeftModel.from_pretrained(other, tmp_path).eval()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        plain = model(input_ids=ids).logits
        import_weights(model, tmp_path)
        ours, expected = model(input_ids=ids).logits, theirs(input_ids=ids).logits
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(ours, plain, atol=1e-2)
    theirs.save_pretrained(tmp_path / "theirs")
    assert load_file(tmp_path / "theirs" / WEIGHTS).keys() == load_file(tmp_path / WEIGHTS).keys()


def test_a_checkpoint_of_an_adapter_is_measured(base: Base, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    made = checkpoint(base, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "generation_config.json",
        "manifest.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert made.weights.uri == "checkpoints/a/f/adapter_model.safetensors"
    assert made.learning_rate == 2e-2
    rival = Rival(folder, same_base=True)
    found = evaluate_bot(base, folder, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert found.base_loss - found.bot_loss > 0.1
    assert found.bot_loss == pytest.approx(made.held_out_loss, rel=0.01)
    # the bot itself, as its own rival: what is merged first must not stay
    assert found.released_loss == pytest.approx(found.bot_loss, rel=1e-4)


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    gpt2, llama = (model_of(make_tiny_base(tmp_path / a, a)) for a in ("gpt2", "llama"))
    with pytest.raises(BaseUnavailable, match="does not fit this base"):
        merge(gpt2, random_adapter(llama))
    wider = random_adapter(gpt2)
    name, (down, up) = next(iter(wider.factors.items()))
    with pytest.raises(BaseUnavailable, match="does not fit this base"):
        merge(gpt2, Adapter(4, {name: (down[:, :-1], up)}))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(BaseUnavailable, match="is damaged"):
        load_adapter(tmp_path)
    save_file({"base_model.model.x.lora_A.weight": torch.ones(2, 3)}, tmp_path / WEIGHTS)
    with pytest.raises(BaseUnavailable, match="is damaged"):
        load_adapter(tmp_path)
    save_file({"other": torch.ones(2, 3)}, tmp_path / WEIGHTS)
    with pytest.raises(BaseUnavailable, match="no layers of one rank"):
        load_adapter(tmp_path)


@pytest.mark.parametrize("wrong", [{"mode": "lora"}, {"adapter_rank": 0}])
def test_a_spec_knows_its_modes(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Spec(**wrong)


def test_bf16_adapters_learn_as_fp32_ones_do(tmp_path: Path) -> None:
    from tasks.training.together import train_bot

    engine = Engine(make_tiny_base(tmp_path, "llama"))
    losses = [
        train_bot(engine, TRAIN, HELD_OUT, Spec(**{**vars(SPEC), "precision": precision}))[0]
        for precision in ("fp32", "bf16")
    ]
    assert losses[1].precision == "bf16"
    assert losses[1].held_out_loss == pytest.approx(losses[0].held_out_loss, rel=0.02)
