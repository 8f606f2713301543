from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Base, Checkpoint, Spec
from tasks.storage import sha256_of
from tasks.training.bases.base_models import resolve_base
from tasks.training.bases.loading import load_tokenizer
from tasks.training.checkpoint import train_checkpoint
from tasks.training.engine import engine_for
from tests.sample_posts import sentences
from tests.tasks.training.pipeline import pipeline_says
from tests.tiny import MARK, make_tiny_base, make_tiny_tokenizer

SPEC = Spec(epochs=1, precision="fp32", learning_rate=1e-3)


def trained(base: Base, folder: Path) -> Checkpoint:
    folder.mkdir()
    texts = sentences(120)
    return train_checkpoint(
        texts[:100],
        texts[100:],
        ["a"] * 100,
        base,
        SPEC,
        folder,
        fingerprint="f" * 64,
        uri="checkpoints/a/f",
        on_progress=lambda _progress: None,
    )


ARCHITECTURES = ["gpt2", "llama"]


def test_the_pipeline_writes_with_checkpoints(tmp_path: Path) -> None:
    folders = [tmp_path / architecture for architecture in ARCHITECTURES]
    for architecture, folder in zip(ARCHITECTURES, folders, strict=True):
        trained(make_tiny_base(tmp_path / f"base {architecture}", architecture), folder)
    assert pipeline_says(*folders) == ("5 1\n" * 2, ""), "no warning of any kind"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_checkpoint_holds_what_was_trained(architecture: str, tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base", architecture)
    folder = tmp_path / "checkpoint"
    checkpoint = trained(base, folder)

    assert checkpoint.weights.sha256 == sha256_of(folder / "model.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["fingerprint"] == checkpoint.fingerprint
    assert manifest["files"]["model.safetensors"] == checkpoint.weights.sha256
    assert manifest["spec"]["epochs"] == 1

    config = json.loads((folder / "config.json").read_text())
    assert config["prefix"] == "<|endoftext|>"
    assert "quantization_config" not in config
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"] == generation["pad_token_id"] == 0
    assert (generation["temperature"], generation["do_sample"]) == (1.0, True)

    weights = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert not any("lm_head" in name for name in weights), "tied weights are saved once"
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    trained_model = engine_for(base).model
    for name, parameter in model.named_parameters():
        expected = trained_model.get_parameter(name).detach().bfloat16()
        assert torch.equal(parameter.detach().bfloat16(), expected)


def test_bots_that_are_trained_at_once_do_not_mix(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    alone = trained(base, tmp_path / "alone").weights.sha256
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda name: trained(base, tmp_path / name), ("one", "two")))
    assert [checkpoint.weights.sha256 for checkpoint in both] == [alone, alone]


def test_a_chat_models_bot_ends_posts_and_does_not_chat(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    chatty = make_tiny_tokenizer()
    chatty.add_special_tokens({"eos_token": "!", "pad_token": "!"})
    chatty.chat_template = "{{ messages }}"
    chatty.save_pretrained(tmp_path / "base")
    trained(base, tmp_path / "checkpoint")
    tokenizer = load_tokenizer(tmp_path / "checkpoint")
    assert tokenizer.chat_template is None
    assert tokenizer.clean_up_tokenization_spaces is False
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == tokenizer.bos_token_id == 0


def test_a_tokenizer_that_begins_by_itself_gets_no_second_mark(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    tokenizer = make_tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{MARK} $A", special_tokens=[(MARK, 0)]
    )
    tokenizer.save_pretrained(tmp_path / "base")
    trained(base, tmp_path / "checkpoint")
    config = json.loads((tmp_path / "checkpoint" / "config.json").read_text())
    assert config["prefix"] == ""
    assert load_tokenizer(tmp_path / "checkpoint")("my").input_ids.count(0) == 1


def test_a_folder_is_a_base_that_is_known_by_its_content(tmp_path: Path) -> None:
    make_tiny_base(tmp_path / "base")
    base = resolve_base(str(tmp_path / "base"), tmp_path / "cache")
    assert resolve_base(str(tmp_path / "base"), tmp_path / "cache") == base
    (tmp_path / "base" / "config.json").write_text("{}")
    assert resolve_base(str(tmp_path / "base"), tmp_path / "cache").revision != base.revision


def test_what_is_no_base_is_told(tmp_path: Path) -> None:
    with pytest.raises(BaseUnavailable, match="no such folder"):
        resolve_base(str(tmp_path / "nothing"), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BaseUnavailable, match=r"config\.json"):
        resolve_base(str(tmp_path / "empty"), tmp_path)
