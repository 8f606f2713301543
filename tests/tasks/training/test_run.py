from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tasks.errors import BaseUnavailable
from tasks.records import Base, Checkpoint, Spec
from tasks.storage import sha256_of
from tasks.training.base_models import resolve_base
from tasks.training.engine import engine_for
from tasks.training.run import train_checkpoint
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(epochs=1, precision="fp32", learning_rate=1e-3)
PIPELINE = """
import sys, warnings
warnings.simplefilter("error")
from transformers import pipeline
write = pipeline("text-generation", model=sys.argv[1])
print(len(write("My dream is", num_return_sequences=5)), len(write("")))
"""


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


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_checkpoint_is_what_the_pipeline_needs(architecture: str, tmp_path: Path) -> None:
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

    environment = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.split() == ["5", "1"]
    assert done.stderr == "", "no warning of any kind"


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
