"""The local runs of an account, found among those of others."""

from __future__ import annotations

from pathlib import Path

from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.tracking.account_runs import SWEEPS, runs_of
from tasks.tracking.sweep_runs import track_trials
from tests.tasks.tracking.tracked import track, training


def test_the_runs_of_every_bot_of_the_account_and_of_no_other(tmp_path: Path) -> None:
    for bot in ("alice", "alice-bob", "bob", "malice"):
        track(tmp_path, training(bot))
    (tmp_path / "alice.txt").write_text("no run")
    assert runs_of(tmp_path, Handle("alice")) == [tmp_path / "alice", tmp_path / "alice-bob"]
    assert runs_of(tmp_path, Handle("carol")) == []
    assert runs_of(tmp_path / "nowhere", Handle("alice")) == []


def test_a_sweep_that_names_the_account(tmp_path: Path) -> None:
    for name, bot in (("brave-fox", "alice-bob"), ("calm-owl", "malice")):
        rows = [{"epochs": 1, f"@{bot}": 3.5, "held-out loss": 3.5}]
        track_trials(name, rows, folder=tmp_path / SWEEPS, settings=Settings())
    (found,) = runs_of(tmp_path, Handle("alice"))
    assert found.parent == tmp_path / SWEEPS
    assert any(b"alice-bob" in path.read_bytes() for path in found.rglob("*.json"))
    assert len(runs_of(tmp_path, Handle("bob"))) == 1
