from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.evaluation.evaluate import evaluate_bot
from tasks.records import Spec
from tasks.training.documents import scored
from tasks.training.engine import engine_for
from tasks.training.run import train_checkpoint
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3)


def test_the_saved_checkpoint_is_measured_on_the_same_tokens_as_the_base(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    texts = sentences(160)
    train, held_out = texts[:130], texts[130:]
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    checkpoint = train_checkpoint(
        train,
        held_out,
        ["a"] * len(train),
        base,
        SPEC,
        folder,
        fingerprint="f",
        uri="u",
        on_progress=lambda _progress: None,
    )
    engine = engine_for(base)
    with torch.no_grad():  # what is in memory does not matter
        for parameter in engine.model.parameters():
            parameter.zero_()
    evaluation = evaluate_bot(base, folder, train, held_out, SPEC, seed=0)

    assert evaluation.bot_loss < evaluation.base_loss
    # bf16 keeps eight bits of each weight
    assert evaluation.bot_loss == pytest.approx(checkpoint.held_out_loss, rel=0.01)
    documents = engine.documents(held_out, SPEC)
    assert evaluation.held_out_tokens == scored(documents)
    engine.restore()
    alone = []
    for document in documents:
        ids = torch.tensor([document])
        logits = engine.model(input_ids=ids).logits[0, :-1]
        alone.append(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item())
    assert evaluation.base_loss == pytest.approx(sum(alone) / scored(documents), rel=1e-4)
