from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.settings import Settings
from tasks.tracking.sweep_runs import track_trials
from tasks.tracking.wandb_environment import wandb_confined_to
from tests.servers.wandb import Fault, running_wandb
from tests.tasks.tracking.test_lineage import run_at
from tests.tasks.tracking.tracked import online

ROWS = [
    {"epochs": 2, "schedule": "linear", "held-out loss": 3.0},
    {"epochs": 1, "schedule": "cosine", "held-out loss": 3.5},
]


def test_a_sweep_is_one_run_with_its_table_and_its_best(tmp_path: Path) -> None:
    with running_wandb() as server:
        settings = Settings(**online(server))
        url = track_trials("brave-fox", ROWS, folder=tmp_path, settings=settings)
        assert url is not None
        with wandb_confined_to(tmp_path / "asking"):
            run = run_at(server, url)
        assert (run.name, run.job_type) == ("brave-fox", "sweep")
        assert (run.summary["epochs"], run.summary["held-out loss"]) == (2, 3.0)
        assert run.summary["trials"]["nrows"] == 2


def test_a_service_that_refuses_leaves_it_offline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_wandb() as server:
        server.fault = lambda _step: Fault(401)
        settings = Settings(**online(server))
        assert track_trials("brave-fox", ROWS, folder=tmp_path, settings=settings) is None
    assert "brave-fox: tracking online failed" in caplog.text
    assert server.key not in caplog.text
    assert list(tmp_path.rglob("*.wandb"))


def test_without_tracking_nothing_is_written(tmp_path: Path) -> None:
    settings = Settings(tracking=False)
    assert track_trials("brave-fox", ROWS, folder=tmp_path, settings=settings) is None
    assert list(tmp_path.iterdir()) == []
