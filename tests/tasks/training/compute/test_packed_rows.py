from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tasks.training.bases.loading import load_model
from tasks.training.compute.packed_rows import packed_row
from tasks.training.data.batches import IGNORED, pad
from tasks.training.loss import summed_loss
from tests.tiny import make_tiny_base

BATCH = pad([[0, 5, 6, 7, 8], [0, 9, 10], [0, 11, 12, 13, 14, 15, 16]])


@pytest.mark.parametrize("width", [15, 16, 64])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_documents_of_a_row_have_the_loss_that_each_has_alone(
    architecture: str, width: int, tmp_path: Path
) -> None:
    make_tiny_base(tmp_path, architecture)
    model = load_model(tmp_path, torch.device("cpu"), torch.float32)
    row = packed_row(BATCH, width)
    assert row.ids.shape == (1, width)
    with torch.no_grad():
        logits = model(**row.inputs(torch.float32)).logits
        found = functional.cross_entropy(
            logits[0], row.targets[0], ignore_index=IGNORED, reduction="sum"
        )
        expected = summed_loss(model, BATCH, "fp32")
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="15 tokens do not fit"):
        packed_row(BATCH, 14)
