from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tasks.core.records import Base, Spec
from tasks.core.settings import settings
from tasks.evaluation.measuring import Rival, evaluate_bot
from tasks.training.bases.base_models import resolve_base
from tasks.training.checkpoint import train_checkpoint
from tasks.training.data.documents import scored
from tasks.training.engine import engine_for
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3)


TEXTS = sentences(160)
TRAIN, HELD_OUT = TEXTS[:130], TEXTS[130:]


def trained(folder: Path, base: Base, spec: Spec = SPEC) -> float:
    """Train a bot into a folder; returns its held-out loss."""
    folder.mkdir()
    return train_checkpoint(
        TRAIN,
        HELD_OUT,
        ["a"] * len(TRAIN),
        base,
        spec,
        folder,
        fingerprint="f",
        uri="u",
        on_progress=lambda _progress: None,
    ).held_out_loss


def test_the_saved_checkpoint_is_measured_on_the_same_tokens_as_the_base(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base", positions=32)
    folder = tmp_path / "checkpoint"
    held_out_loss = trained(folder, base)
    engine = engine_for(base)
    with torch.no_grad():  # what is in memory does not matter
        for parameter in engine.model.parameters():
            parameter.zero_()
    evaluation = evaluate_bot(base, folder, TRAIN, HELD_OUT, SPEC, seed=0)

    assert evaluation.bot_loss < evaluation.base_loss
    # bf16 keeps eight bits of each weight
    assert evaluation.bot_loss == pytest.approx(held_out_loss, rel=0.01)
    documents = engine.documents(HELD_OUT, SPEC)
    assert evaluation.held_out_tokens == scored(documents)
    engine.restore()
    alone = []
    for document in documents:
        ids = torch.tensor([document])
        logits = engine.model(input_ids=ids).logits[0, :-1]
        alone.append(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item())
    assert evaluation.base_loss == pytest.approx(sum(alone) / scored(documents), rel=1e-4)
    assert (evaluation.samples, len(evaluation.predictions)) == (100, 25)
    assert evaluation.verbatim <= evaluation.repeated <= 100
    assert evaluation.released_loss is None


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, Path, Path]:
    """A base, a good checkpoint and a worse one."""
    folder = tmp_path_factory.mktemp("two")
    base = make_tiny_base(folder / "base", positions=32)
    trained(folder / "good", base)
    trained(folder / "worse", base, replace(SPEC, learning_rate=3e-4))
    return base, folder / "good", folder / "worse"


def test_the_release_is_measured_on_the_same_posts(two: tuple[Base, Path, Path]) -> None:
    base, good, worse = two
    alone = evaluate_bot(base, worse, TRAIN, HELD_OUT, SPEC, seed=0)
    beside = evaluate_bot(base, worse, TRAIN, HELD_OUT, SPEC, seed=0, rival=Rival(good, True))
    assert beside.released_loss is not None
    assert beside.released_loss < beside.bot_loss
    expected = evaluate_bot(base, good, TRAIN, HELD_OUT, SPEC, seed=0).bot_loss
    assert beside.released_loss == pytest.approx(expected)
    assert (beside.compared_loss, beside.compared_posts) == (beside.bot_loss, len(HELD_OUT))
    without = replace(beside, released_loss=None, compared_loss=None, compared_posts=0)
    assert without == alone, "the rest is measured on the bot's own weights"


def test_posts_that_the_release_was_trained_on_are_left_out(two: tuple[Base, Path, Path]) -> None:
    base, good, worse = two
    seen = [*TRAIN, *(text.upper() for text in HELD_OUT[:10])]
    rival = Rival(good, True, seen)
    evaluation = evaluate_bot(base, worse, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert evaluation.compared_posts == len(HELD_OUT) - 10
    rest = evaluate_bot(base, worse, TRAIN, HELD_OUT[10:], SPEC, seed=0)
    assert evaluation.compared_loss == pytest.approx(rest.bot_loss)
    rival = Rival(good, True, TEXTS[:-5])
    evaluation = evaluate_bot(base, worse, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert evaluation.released_loss is None, "five posts are too few to compare"


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_release_of_another_base_is_measured_by_itself(
    two: tuple[Base, Path, Path], tmp_path: Path, architecture: str
) -> None:
    base, good, _ = two
    other = make_tiny_base(tmp_path / "other", architecture, positions=32)
    trained(tmp_path / "rival", other)
    expected = evaluate_bot(other, tmp_path / "rival", TRAIN, HELD_OUT, SPEC, seed=0).bot_loss
    rival = Rival(tmp_path / "rival", same_base=False)
    evaluation = evaluate_bot(base, good, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert evaluation.released_loss == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("same_base", [True, False])
def test_a_release_that_cannot_be_read_is_not_compared(
    two: tuple[Base, Path, Path], tmp_path: Path, same_base: bool
) -> None:
    base, good, _ = two
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    rival = Rival(tmp_path, same_base)
    evaluation = evaluate_bot(base, good, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert evaluation.released_loss is None
    assert evaluation.bot_loss < evaluation.base_loss


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, Path]:
    """Another base, and a release of an adapter of it."""
    folder = tmp_path_factory.mktemp("adapter")
    make_tiny_base(folder / "base", "llama", positions=32)
    base = resolve_base(str(folder / "base"), folder)
    trained(folder / "rival", base, replace(SPEC, mode="adapter", adapter_rank=4))
    return base, folder / "rival"


def test_an_adapter_of_another_base_is_measured_on_its_own(
    two: tuple[Base, Path, Path], adapter: tuple[Base, Path]
) -> None:
    (base, good, _), (other, folder) = two, adapter
    expected = evaluate_bot(other, folder, TRAIN, HELD_OUT, SPEC, seed=0).bot_loss
    rival = Rival(folder, same_base=False)
    evaluation = evaluate_bot(base, good, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert evaluation.released_loss == pytest.approx(expected, rel=1e-3)
    alone = evaluate_bot(base, good, TRAIN, HELD_OUT, SPEC, seed=0)
    assert replace(evaluation, released_loss=None, compared_loss=None, compared_posts=0) == alone


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"id": "/no/such/folder"}, "no such folder"),
        ({"id": "somebody/base"}, "the Hub cannot be reached"),
        ({"revision": "of before"}, "an adapter of"),
        (None, "does not name the adapter's base"),
    ],
)
def test_an_adapter_whose_base_cannot_be_had_is_not_compared(
    two: tuple[Base, Path, Path],
    adapter: tuple[Base, Path],
    told: dict[str, str] | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_HUB_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HUGGINGTWEETS_CACHE", str(tmp_path / "cache"))
    settings.cache_clear()
    base, good, _ = two
    folder = shutil.copytree(adapter[1], tmp_path / "rival")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["base"] = told and manifest["base"] | told
    (folder / "manifest.json").write_text(json.dumps(manifest))
    logger = logging.getLogger("huggingtweets")
    logger.addHandler(caplog.handler)  # Prefect, where it is set up, keeps our lines from the root
    rival = Rival(folder, same_base=False)
    evaluation = evaluate_bot(base, good, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    logger.removeHandler(caplog.handler)
    assert evaluation.released_loss is None
    assert evaluation.bot_loss < evaluation.base_loss
    (line,) = {record.getMessage() for record in caplog.records if said in record.getMessage()}
    assert line.startswith("the release is not compared")
    assert "\n" not in line
