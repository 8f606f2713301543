from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tasks.core import interruption
from tasks.core.errors import Interrupted
from tasks.core.records import Base, Progress, Spec
from tasks.storage import Storage, open_storage
from tasks.training.compute.fast_loss import PackedLoss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.data.batches import Batch
from tasks.training.engine import Engine
from tasks.training.resume import STATES_KEPT, Resume, StateWriter
from tasks.training.trainer import Trained, train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=3e-3, epochs=4, patience=9, dropout=0.1)
TEXTS = sentences(160)
SLOW = 0.1  # seconds a step of the process that is killed
SCRIPT = """
import sys, time
from tests.tasks.training import test_resume as here
here.resumable(sys.argv[1], sys.argv[2], lambda _progress: time.sleep(here.SLOW))
"""


def resume(
    storage: Storage, seconds: float = 0.0, fingerprint: str = "f", max_share: float = 1e9
) -> Resume:
    """As often as can be, if nothing else is asked."""
    return Resume(storage, "resume/a/f", fingerprint, seconds, max_share)


def resumable(
    folder: str, url: str, report: object = lambda _progress: None
) -> tuple[Trained, Engine]:
    engine = Engine(Base(folder, folder, "tiny", "made in a test"))
    unfinished = resume(open_storage(url))
    trained = train(engine, TEXTS[:130], TEXTS[130:], SPEC, on_progress=report, resume=unfinished)
    return trained, engine


def kept(storage: Storage) -> list[str]:
    return [key for key in storage.folders("resume/a/f") if storage.exists(f"{key}/manifest.json")]


@pytest.mark.parametrize("architecture", ["gpt2", pytest.param("llama", marks=pytest.mark.slow)])
def test_a_training_that_is_killed_goes_on_and_ends_the_same(
    architecture: str, tmp_path: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    base = make_tiny_base(tmp_path / "base", architecture).folder
    whole, engine = resumable(base, str(tmp_path / "other"))
    command = [sys.executable, "-c", SCRIPT, base, storage.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, env=environment) as process:
        until = time.monotonic() + 60
        while (
            len(kept(storage)) < STATES_KEPT and process.poll() is None and time.monotonic() < until
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert kept(storage)

    caplog.set_level("INFO")
    seen: list[Progress] = []
    resumed, other = resumable(base, storage.url, seen.append)
    (line,) = (line for line in caplog.messages if "resuming from step" in line)
    done = int(line.split("from step ")[1].split()[0])
    assert 0 < done < whole.steps
    assert len(seen) == whole.steps - done, "only the rest was trained"
    assert resumed.history == whole.history
    assert resumed.held_out_loss == pytest.approx(whole.held_out_loss, abs=1e-3)
    assert torch.equal(other.weights.copy(), engine.weights.copy())


def test_two_copies_are_kept_and_damaged_ones_are_passed_over(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = StateWriter(resume(storage))
    assert keeper.newest() is None
    for number in (1, 2, 3):
        keeper.write_if_due(number, lambda n=number: ({"w": torch.full((2,), n)}, {"steps": n}))
        keeper.close()
    assert len(storage.folders("resume/a/f")) == STATES_KEPT
    tensors, state = keeper.newest()
    assert (tensors["w"].tolist(), state) == ([3, 3], {"steps": 3})

    storage.write("resume/a/f/000000003/state.safetensors", b"cut off")
    assert keeper.newest()[1] == {"steps": 2}
    assert "ignoring unreadable" in caplog.text
    storage.write("resume/a/f/000000002/manifest.json", b"{")
    assert keeper.newest() is None


def test_what_was_kept_for_another_training_is_left_alone(storage: Storage) -> None:
    keeper = StateWriter(resume(storage))
    keeper.write_if_due(1, lambda: ({"w": torch.ones(1)}, {}))
    keeper.close()
    assert StateWriter(resume(storage, fingerprint="g")).newest() is None
    assert StateWriter(resume(storage)).newest() is not None


def test_copies_are_made_when_it_is_time(storage: Storage) -> None:
    keeper = StateWriter(resume(storage, seconds=60.0))
    for number in range(5):
        keeper.write_if_due(number, lambda: ({"w": torch.ones(1)}, {}))
    keeper.close()
    assert keeper.newest() is None
    assert keeper.seconds == 0


def test_a_dear_first_copy_waits_until_its_cost_is_a_small_share(storage: Storage) -> None:
    megabyte = torch.zeros(1_000_000, dtype=torch.int8)
    # A guess of 2 ms, that is 2 seconds of training.
    keeper = StateWriter(resume(storage, max_share=0.001))
    keeper.write_if_due(1, lambda: ({"w": megabyte}, {}))
    keeper.close()
    assert keeper.newest() is None


def test_a_dear_copy_is_followed_by_no_other_for_long(storage: Storage) -> None:
    def slow() -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        time.sleep(0.1)
        return {"w": torch.ones(1)}, {}

    keeper = StateWriter(resume(storage, max_share=0.001))  # the second: 100 seconds later
    for number in range(20):
        keeper.write_if_due(number, slow)
        keeper.close()
    assert storage.folders("resume/a/f") == ["resume/a/f/000000000"]


def test_a_full_disk_does_not_end_the_training(
    full_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = make_tiny_base(tmp_path / "base").folder
    trained, _ = resumable(base, str(full_disk))
    assert trained.steps == 4 * trained.steps / trained.epochs
    assert "could not store" in caplog.text
    assert "no space is left" in caplog.text


def test_dropout_changes_the_training_and_not_the_measuring(tmp_path: Path) -> None:
    engine = Engine(make_tiny_base(tmp_path))
    losses = []
    for dropout in (0.0, 0.3, 0.3):
        spec = Spec(precision="fp32", learning_rate=3e-3, epochs=1, dropout=dropout)
        trained = train(engine, TEXTS[:60], TEXTS[130:], spec)
        documents = engine.documents(TEXTS[130:], spec)
        with engine.weights.as_saved():
            assert engine.mean_loss(documents) == trained.held_out_loss
        losses.append(trained.history[-1][1])
    assert losses[0] != losses[1] == losses[2]


@pytest.mark.parametrize("moment", ["in a step", "in an evaluation"])
def test_a_training_that_is_asked_to_stop_stores_its_state_and_is_resumed(
    moment: str, tmp_path: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    base = make_tiny_base(tmp_path / "base").folder
    whole, engine = resumable(base, str(tmp_path / "other"))
    engine = Engine(Base(base, base, "tiny", "made in a test"))
    seldom = Resume(storage, "resume/a/f", "f", every_seconds=3600)
    last_before_evaluation = whole.steps // 8

    def stop(progress: Progress) -> None:
        done = round(progress.done / progress.total * whole.steps)
        if moment == "in a step" and done >= 5:
            interruption.request_stop()

    if moment == "in an evaluation":
        engine.loss = Stopping(engine.model, engine.weights, last_before_evaluation)
    with pytest.raises(Interrupted, match="stopped at step"):
        train(engine, TEXTS[:130], TEXTS[130:], SPEC, on_progress=stop, resume=seldom)
    assert len(kept(storage)) == 1, "though none was due"

    interruption.withdraw()
    caplog.set_level("INFO")
    resumed, _ = resumable(base, storage.url)
    assert "resuming from step" in caplog.text
    assert resumed.history == whole.history


class Stopping(PackedLoss):
    """Asks for the end of everything when the first evaluation after a step begins."""

    def __init__(self, model: object, weights: FlatWeights, steps: int) -> None:
        super().__init__(model, weights)
        self.steps, self.done = steps, 0

    def backward(self, batch: Batch) -> torch.Tensor:
        self.done += 1
        return super().backward(batch)

    def nats(self, batch: Batch) -> torch.Tensor:
        if self.done >= self.steps:
            interruption.request_stop()
        return super().nats(batch)


def test_without_a_place_for_its_state_a_training_is_stopped_all_the_same(tmp_path: Path) -> None:
    engine = Engine(make_tiny_base(tmp_path))
    with pytest.raises(Interrupted):
        train(
            engine, TEXTS[:60], TEXTS[130:], SPEC, on_progress=lambda _: interruption.request_stop()
        )
