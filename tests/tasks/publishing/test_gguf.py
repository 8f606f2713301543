"""Bots as GGUF: what llama.cpp makes of the file is what transformers makes of the release."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.core.errors import BadInput
from tasks.core.gguf_kinds import GgufKind
from tasks.operations.gguf_export import add_gguf
from tasks.publishing.gguf_files import write_gguf
from tasks.publishing.gguf_vocabulary import HARD_TEXT
from tasks.publishing.model_tensors import read_tensors
from tasks.publishing.modelfile import render_modelfile
from tasks.publishing.releases import verify_release
from tasks.storage import Storage
from tasks.training.adapters import save_adapter
from tasks.training.export import export_merged
from tests.llama_cpp import running_llama_cpp
from tests.tiny import make_tiny_base
from tests.tiny_release import export_tiny, release_model

# Learned by heart, so that no greedy token is a near tie, which the rounding of weights decides.
TEXTS = (
    "I like the quiet moon over small islands, and lost keys.",
    "My dream is green tea: a café 😀 über all\n\nand summer nights",
    "Robots sing about 3 trains & 12,000 radios #tag",
)


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def bot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return export_tiny(folder, request.param, memorised=TEXTS)


def greedy(bot: Path, start: str) -> list[int]:
    """What transformers writes after a start, to the end mark, by the likeliest tokens."""
    model = AutoModelForCausalLM.from_pretrained(bot, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(bot)
    ids = tokenizer(tokenizer.bos_token + start, return_tensors="pt").input_ids
    written = model.generate(ids, do_sample=False, max_new_tokens=60, pad_token_id=0)
    found: list[int] = written[0, ids.shape[1] :].tolist()
    return found


@pytest.mark.parametrize("kind", GgufKind)
def test_llama_cpp_writes_what_transformers_writes(bot: Path, tmp_path: Path, kind: str) -> None:
    write_gguf(bot, tmp_path / "alice.gguf", kind, name="@alice")
    tokenizer = AutoTokenizer.from_pretrained(bot)
    with running_llama_cpp(tmp_path / "alice.gguf") as program:
        for text in TEXTS:
            start = text.partition(" ")[0]
            written = program.greedy(start, 60)
            assert start + tokenizer.decode(written) == text + tokenizer.eos_token
            assert written == greedy(bot, start)


def test_llama_cpp_splits_a_hard_text_as_the_tokenizer_does(bot: Path, tmp_path: Path) -> None:
    write_gguf(bot, tmp_path / "alice-q8_0.gguf", "q8_0", name="@alice")
    tokenizer = AutoTokenizer.from_pretrained(bot)
    text = HARD_TEXT.replace("\x00", "")  # ends a string of C
    with running_llama_cpp(tmp_path / "alice-q8_0.gguf") as program:
        assert program.ids(text) == tokenizer(text, add_special_tokens=False).input_ids
        assert program.ids("I", marks=True)[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("kind", GgufKind)
def test_every_weight_is_there_and_as_near_as_its_type_allows(
    bot: Path, tmp_path: Path, kind: str
) -> None:
    write_gguf(bot, tmp_path / "bot.gguf", kind, name="@alice")
    found = {each.name: each for each in gguf.GGUFReader(tmp_path / "bot.gguf").tensors}
    weights = load_file(bot / "model.safetensors")
    assert len(found) == len(weights)
    embeddings = found["token_embd.weight"]
    assert embeddings.tensor_type.name.lower() == kind
    ours = next(t for name, t in weights.items() if "wte" in name or "embed_tokens" in name)
    theirs = gguf.dequantize(embeddings.data, embeddings.tensor_type)
    error = np.abs(theirs - ours.float().numpy())
    # 8 bits and a sign: half of a 127th of the largest, and its rounding to fp16.
    bound = 0 if kind == "bf16" else np.abs(theirs).max() / 127 * 0.51
    assert error.max() <= bound


def test_the_settings_of_the_bot_are_in_the_file(bot: Path, tmp_path: Path) -> None:
    write_gguf(bot, tmp_path / "bot.gguf", "q8_0", name="@alice")
    fields = gguf.GGUFReader(tmp_path / "bot.gguf").fields
    config = json.loads((bot / "config.json").read_text())
    assert fields["general.name"].contents() == "@alice"
    assert fields["tokenizer.ggml.add_bos_token"].contents() is True
    assert fields["tokenizer.ggml.eos_token_id"].contents() == config["eos_token_id"]
    assert fields[f"{config['model_type']}.context_length"].contents() == 128


def test_a_failed_write_leaves_the_file_of_before_and_no_other(bot: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(bot, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    target = tmp_path / "out" / "bot.gguf"
    write_gguf(bot, target, "q8_0", name="@alice")
    before = target.read_bytes()
    with pytest.raises(BadInput, match="safetensors"):
        write_gguf(damaged, target, "bf16", name="@alice")
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["bot.gguf"]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("config.json", {"model_type": "bert"}, "llama and gpt2"),
        (
            "config.json",
            {"rope_parameters": {"rope_type": "yarn"}, "scale_attn_by_inverse_layer_idx": True},
            "whose (rope_type|attention scale) is",
        ),
        ("config.json", {"hidden_act": "relu", "activation_function": "relu"}, "relu"),
        (
            "config.json",
            {"num_hidden_layers": None, "n_layer": "two"},
            "not what their kind of model",
        ),
        ("config.json", {"vocab_size": 7}, "tokens, and the model 7"),
        ("tokenizer.json", {"normalizer": {"type": "NFC"}}, "without a normalizer"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "splits texts by"),
        ("tokenizer.json", {"model": {"type": "BPE"}}, "cannot be read as a tokenizer"),
    ],
)
def test_a_model_that_llama_cpp_would_run_otherwise_is_refused(
    bot: Path, tmp_path: Path, file: str, change: dict[str, object], said: str
) -> None:
    model = shutil.copytree(bot, tmp_path / "model")
    saved = json.loads((model / file).read_text())
    (model / file).write_text(json.dumps({**saved, **change}))
    with pytest.raises(BadInput, match=said):
        write_gguf(model, tmp_path / "bot.gguf", "q8_0", name="@alice")
    assert not list(tmp_path.glob("*.gguf"))


def test_an_adapter_is_merged_into_its_base_first(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = tmp_path / "base"
    make_tiny_base(base, "llama")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = get_peft_model(
        model,
        LoraConfig(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora" in name:
                parameter.normal_(0, 0.5)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "merged").mkdir()
    save_adapter(adapted, tmp_path / "adapter")
    export_merged(tmp_path / "adapter", base, tmp_path / "merged")
    write_gguf(tmp_path / "merged", tmp_path / "bot.gguf", "bf16", name="@alice")

    query = "model.layers.0.self_attn.q_proj.weight"
    whole = adapted.merge_and_unload().state_dict()[query].bfloat16()
    assert torch.equal(load_file(tmp_path / "merged" / "model.safetensors")[query], whole)
    assert not torch.equal(load_file(base / "model.safetensors")[query].bfloat16(), whole)


def test_a_modelfile_continues_a_text_and_draws_as_the_bot_was_judged(bot: Path) -> None:
    lines = render_modelfile(bot, "alice-q8_0.gguf").splitlines()
    assert lines[:2] == ["FROM ./alice-q8_0.gguf", 'TEMPLATE "{{ .Prompt }}"']
    assert 'PARAMETER stop "<|endoftext|>"' in lines
    assert {"PARAMETER temperature 1", "PARAMETER top_p 0.95", "PARAMETER top_k 0"} <= set(lines)


def test_tensors_of_all_types_are_read_exactly(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.25], [0.0, 3.0]], dtype=np.float32)
    save_file({"a": values, "b": values.astype(np.float16)}, tmp_path / "model.safetensors")
    read = {each.name: each.as_float32() for each in read_tensors(tmp_path / "model.safetensors")}
    assert np.array_equal(read["a"], values)
    assert np.array_equal(read["b"], values)
    save_file({"c": np.array([1], dtype=np.int64)}, tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="I64"):
        list(read_tensors(tmp_path / "model.safetensors"))


def test_a_release_has_its_gguf_where_that_is_asked_for(bot: Path, storage: Storage) -> None:
    release = release_model(storage, bot, gguf="q8_0")
    files = storage.read_json(f"{release.folder}/manifest.json")["files"]
    assert {"alice-q8_0.gguf", "Modelfile"} <= files.keys()
    assert verify_release(storage, release, digests=True)
    card = storage.read(f"{release.folder}/README.md").decode()
    assert "llama-completion -m alice-q8_0.gguf" in card
    assert "ollama create alice -f Modelfile" in card


def test_a_gguf_is_added_to_a_release_that_has_none(bot: Path, storage: Storage) -> None:
    release = release_model(storage, bot)
    assert "llama-completion" not in storage.read(f"{release.folder}/README.md").decode()
    key = add_gguf(storage, release, "q8_0")
    assert key == f"{release.folder}/alice-q8_0.gguf"
    assert verify_release(storage, release, digests=True)
    assert key.rpartition("/")[2] in storage.read_json(f"{release.folder}/manifest.json")["files"]


def test_a_model_without_gguf_is_released_all_the_same(
    bot: Path, storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = shutil.copytree(bot, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    release = release_model(storage, other, gguf="q8_0")
    assert verify_release(storage, release)
    assert "released without GGUF" in caplog.text


def test_the_command_writes_a_gguf_and_says_how_to_run_it(
    bot: Path, storage: Storage, command: Callable[..., tuple[int, str, str]]
) -> None:
    release_model(storage, bot)
    code, out, err = command("export", "alice", "--gguf", "bf16")
    assert code == 0, err
    assert {path.name for path in Path("alice").iterdir()} == {"alice-bf16.gguf", "Modelfile"}
    assert "alice/alice-bf16.gguf" in out
    assert "llama-completion -m alice/alice-bf16.gguf" in err
    assert command("export", "nobody")[0] == 2
