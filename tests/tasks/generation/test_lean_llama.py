"""A release that writes without transformers writes the very same posts as with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from safetensors.torch import load_file, save_file

from tasks.generation.lean_llama import usual_llama
from tasks.generation.mention_guard import token_bytes
from tasks.generation.plain_tokenizer import plain_tokenizer
from tasks.generation.release_writer import ReleaseWriter
from tasks.training.bases.loading import load_tokenizer
from tasks.training.data.documents import marks_of
from tests.strategies import texts
from tests.tiny import make_tiny_base


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "llama"
    make_tiny_base(folder, "llama")
    return folder


def changed(folder: Path, name: str, **values: Any) -> Path:
    """The folder, with other values in a JSON file."""
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | values))
    return folder


def test_the_same_posts_are_written(release: Path, tmp_path: Path) -> None:
    assert usual_llama(release) is not None
    assert plain_tokenizer(release) is not None
    make_tiny_base(tmp_path / "a", "llama")
    usual = changed(tmp_path / "a", "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    assert plain_tokenizer(usual) is None
    for start in ("my cat", "", "me @", "<|endoftext|>"):
        posts = list(ReleaseWriter(release).posts(start, 20, 1))
        assert posts == list(ReleaseWriter(usual).posts(start, 20, 1))


def test_what_is_not_the_usual_llama_is_left_to_transformers(tmp_path: Path) -> None:
    make_tiny_base(tmp_path / "gpt2", "gpt2")
    assert usual_llama(tmp_path / "gpt2") is None
    positions = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
    for number, values in enumerate(
        (
            {"attention_bias": True},
            {"hidden_act": "gelu"},
            {"rope_parameters": positions},
            {"num_hidden_layers": 3},
            {"rms_norm_eps": "small"},
            {"rope_parameters": {"rope_type": "default", "rope_theta": "large"}},
            {"quantization_config": {"bits": 4}},
        )
    ):
        make_tiny_base(tmp_path / str(number), "llama")
        assert usual_llama(tmp_path / str(number)) is not None
        odd = changed(tmp_path / str(number), "config.json", **values)
        assert usual_llama(odd) is None
    make_tiny_base(tmp_path / "adapter", "llama")
    (tmp_path / "adapter" / "adapter_model.safetensors").touch()
    assert usual_llama(tmp_path / "adapter") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]", b'{"a": ' * 3000])
def test_damaged_files_are_left_to_transformers(tmp_path: Path, content: bytes) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        make_tiny_base(tmp_path / name, "llama")
        (tmp_path / name / name).write_bytes(content)
        found = (usual_llama(tmp_path / name), plain_tokenizer(tmp_path / name))
        assert None in found, name


def test_a_weight_too_many_is_left_to_transformers(tmp_path: Path) -> None:
    make_tiny_base(tmp_path / "a", "llama")
    file = tmp_path / "a" / "model.safetensors"
    weights = load_file(file)
    save_file({**weights, "model.layers.0.self_attn.q_proj.bias": torch.zeros(32)}, file)
    assert usual_llama(tmp_path / "a") is None


@given(text=texts)
def test_a_text_has_the_same_tokens(release: Path, text: str) -> None:
    plain, usual = plain_tokenizer(release), load_tokenizer(release)
    assert plain is not None
    options = {"add_special_tokens": False, "split_special_tokens": True}
    text = text.encode("utf-8", "replace").decode()
    ids = plain(text, **options)["input_ids"]
    assert ids == usual(text, **options)["input_ids"]
    assert plain.decode(ids) == usual.decode(
        ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )


def test_the_marks_and_the_bytes_of_tokens_are_the_same(release: Path) -> None:
    plain, usual = plain_tokenizer(release), load_tokenizer(release)
    assert marks_of(plain) == marks_of(usual)
    assert token_bytes(plain) == token_bytes(usual)


def test_nothing_of_transformers_is_loaded() -> None:
    code = "import sys, tasks.generation.release_writer; print('transformers' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
