"""Bots of a batch that are ready at the same time are trained in the same steps, if asked for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from flows.requests import BotRequest
from tasks import waiting
from tasks.core.names import Bot
from tasks.core.records import MANIFEST, Outcome, Status
from tasks.core.settings import settings
from tasks.orchestration.limits import training_place
from tasks.storage import Storage
from tests.flows.running import run
from tests.sample_posts import write_table

pytestmark = pytest.mark.usefixtures("prefect_server")
NAMES = ["alice", "bob", "carol"]


def test_a_batch_in_the_same_steps(
    tiny_base: Path,
    tmp_path: Path,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_AT_ONCE", "2")
    settings.cache_clear()
    caplog.set_level("INFO")
    requests = [
        BotRequest(
            name=name,
            sources={name: str(write_table(tmp_path / f"{name}.csv", posts=150, seed=seed))},
        )
        for seed, name in enumerate(NAMES)
    ]
    outcomes: dict[str, Outcome] = {}
    batch = threading.Thread(target=lambda: outcomes.update(run(requests, tiny_base)[1]))
    with training_place(Bot.parse("somebody")):
        batch.start()
        deadline = time.monotonic() + 120
        while len(waiting._all) < len(NAMES) and time.monotonic() < deadline:  # noqa: SLF001 - only a test asks
            time.sleep(0.05)
    batch.join()

    assert {outcome.status for outcome in outcomes.values()} == {Status.RELEASED}
    (line,) = (line for line in caplog.messages if line.endswith("in the same steps"))
    assert line.count("@") == 2
    assert waiting._all == []  # noqa: SLF001 - as above
    weights = set()
    for name, outcome in outcomes.items():
        (checkpoint,) = storage.folders(f"checkpoints/{name}")
        manifest = storage.read_json(f"{checkpoint}/{MANIFEST}")
        weights.add(manifest["files"]["model.safetensors"])
        assert outcome.evaluation is not None
        assert outcome.evaluation.bot_loss == pytest.approx(
            manifest["trained"]["held_out_loss"], rel=1e-3
        )
    assert len(weights) == len(NAMES)

    again = run(requests, tiny_base)[1]
    assert {outcome.status for outcome in again.values()} == {Status.UNCHANGED}
