from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Spec
from tasks.training.compute.micro_batches import MicroBatches, keep_freed_memory, peak_memory, split
from tasks.training.data.batches import Batch
from tasks.training.engine import Engine
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3, epochs=1)
TEXTS = sentences(80)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(make_tiny_base(tmp_path))


class Narrow:
    """A way to compute that has memory for so many tokens only, and leaves gradients behind."""

    def __init__(self, engine: Engine, room: int) -> None:
        self.plain, self.weights, self.room = engine.loss, engine.weights, room
        self.open, self.each = engine.loss.open, engine.loss.each
        self.largest = 0

    def backward(self, batch: Batch) -> torch.Tensor:
        if batch.ids.numel() > self.room:
            self.weights.grads.add_(1)
            raise torch.OutOfMemoryError("made in a test")
        self.largest = max(self.largest, batch.ids.numel())
        return self.plain.backward(batch)


def test_a_step_that_does_not_fit_is_done_in_pieces(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    whole = train(engine, TEXTS[:60], TEXTS[60:], SPEC)
    weights = engine.weights.copy()
    narrow = engine.loss = Narrow(engine, 160)
    pieces = train(engine, TEXTS[:60], TEXTS[60:], SPEC)
    assert pieces.steps == whole.steps
    assert pieces.held_out_loss == pytest.approx(whole.held_out_loss, rel=1e-5)
    torch.testing.assert_close(engine.weights.copy(), weights, rtol=1e-3, atol=1e-4)
    assert narrow.largest > 80
    assert "out of memory" in caplog.text
    assert len([line for line in caplog.messages if "out of memory" in line]) < 4, "it is learnt"


def test_one_post_that_does_not_fit_is_told(engine: Engine) -> None:
    engine.loss = Narrow(engine, 8)
    with pytest.raises(BaseUnavailable, match="one post alone does not fit in memory"):
        train(engine, TEXTS[:60], TEXTS[60:], SPEC)


def test_pieces_count_their_own_tokens() -> None:
    labels = torch.tensor([[1, 2, 3], [4, 5, -100], [6, 7, -100]])
    batch = Batch(labels.clamp(min=0), labels, 4)
    assert [piece.tokens for piece in split(batch, 2)] == [3, 1]
    assert list(split(batch, 3)) == [batch]


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    labels = torch.ones(2, 3, dtype=torch.long)

    def broken(_batch: Batch) -> torch.Tensor:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        MicroBatches().backward(broken, Batch(labels, labels, 4), lambda: None)


def test_the_peak_is_that_of_this_process() -> None:
    block = torch.ones(30_000_000)
    assert peak_memory(block.device) > 120_000_000


def test_memory_is_kept_where_the_c_library_can() -> None:
    code = "import sys; from tasks.training.compute import micro_batches as memory; "
    code += "sys.exit(memory.keep_freed_memory())"
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert done.returncode == int(keep_freed_memory())
