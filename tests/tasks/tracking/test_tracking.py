"""Tracking with the real client: offline, and online against a server that refuses."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.names import Bot
from tasks.records import (
    Base,
    Checkpoint,
    Corpus,
    Counts,
    Evaluation,
    FileRef,
    Prediction,
    Spec,
    TrackedRun,
)
from tasks.settings import Settings
from tasks.tracking.environment import own_folders
from tasks.tracking.tracking import track_bot


def facts() -> dict[str, Any]:
    bot = Bot.parse("alice-bob")
    counts = {name: Counts(10, 7, {"retweet": 2, "short": 1}) for name in ("alice", "bob")}
    corpus = Corpus(
        bot, FileRef("c.parquet", "c" * 64, 14), "modern", counts, 900, 12, 2, ("table",)
    )
    checkpoint = Checkpoint(
        "checkpoints/x", "f" * 64, FileRef("model.safetensors", "d" * 64), 3.0, 2e-4, 1.0, 10, 900,
        1.5, "fp32", ((100, 4.0, None), (200, 3.5, 3.1)),
    )  # fmt: skip
    evaluation = Evaluation(4.0, 3.0, 50, (Prediction("I like", "I like tea", False),))
    base = Base("openai-community/gpt2", "/b", "607a", "openai-community/gpt2", "mit")
    return {
        "bot": bot, "corpus": corpus, "base": base, "checkpoint": checkpoint,
        "evaluation": evaluation, "spec": Spec(),
    }  # fmt: skip


def track(folder: Path, **settings: Any) -> TrackedRun:
    known = facts()
    return track_bot(
        known.pop("bot"), storage_folder=folder, settings=Settings(**settings), **known
    )


def is_recorded(folder: str, *words: bytes) -> bool:
    """Whether all words come to stand in a run's own record, which is written in the background."""
    (file,) = Path(folder).glob("run-*.wandb")
    for _ in range(100):
        if all(word in file.read_bytes() for word in words):
            return True
        time.sleep(0.05)
    return False


def test_without_a_key_both_runs_lie_below_the_folder(tmp_path):
    tracked = track(tmp_path / "tracking")
    assert tracked.url is None
    assert tracked.id
    runs = sorted((tmp_path / "tracking" / "wandb").glob("offline-run-*"))
    assert len(runs) == 2
    assert Path(tracked.folder) in runs
    assert is_recorded(
        tracked.folder, b"@alice-bob-train", b"train_dataset_sha256", b"c" * 64,
        b"openai-community/gpt2", b"held_out_loss", b"finetuned-model", b"predictions",
    )  # fmt: skip
    (other,) = (str(run) for run in runs if str(run) != tracked.folder)
    assert is_recorded(other, b"@alice-bob-preprocess", b"dataset-alice-bob")


def test_nothing_is_written_outside_the_folder(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    root = Path(__file__).parents[3]
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nimport test_tracking\n"
        f"print(test_tracking.track(Path({str(tmp_path / 'tracking')!r})).id)"
    )
    # Not the tests' own process: wandb asks for the home folder once, when it is imported.
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=work, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in ("", "None")
    assert done.stderr == ""
    assert list(home.rglob("*")) == []
    assert list(work.rglob("*")) == []


def test_switched_off_it_does_nothing(tmp_path):
    assert track(tmp_path / "tracking", tracking=False) == TrackedRun()
    assert not (tmp_path / "tracking").exists()


def test_trouble_is_a_warning_and_no_run(tmp_path, caplog):
    (tmp_path / "tracking").write_text("a file, not a folder")
    with caplog.at_level(logging.WARNING):
        assert track(tmp_path / "tracking") == TrackedRun()
    (record,) = [each for each in caplog.records if each.name == "huggingtweets"]
    assert "alice-bob: tracking offline failed" in record.getMessage()


def test_what_fails_online_is_recorded_offline_and_tells_no_key(tmp_path, caplog):
    key = "malformed-and-secret "
    with caplog.at_level(logging.WARNING):
        tracked = track(tmp_path / "tracking", wandb_api_key=key)
    assert tracked.url is None
    assert is_recorded(tracked.folder, b"@alice-bob-train", b"finetuned-model")
    assert "alice-bob: tracking online failed" in caplog.text
    assert key.strip() not in caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(key.strip().encode() not in path.read_bytes() for path in files)


def test_a_failure_in_the_middle_ends_the_run(tmp_path, caplog):
    known = facts()
    # Not JSON: the artifact's file cannot be written, after the run has begun.
    broken = replace(known["corpus"], characters={1, 2})
    with caplog.at_level(logging.WARNING):
        tracked = track_bot(
            known.pop("bot"), storage_folder=tmp_path, settings=Settings(),
            **{**known, "corpus": broken},
        )  # fmt: skip
    assert tracked == TrackedRun()
    assert "tracking offline failed" in caplog.text


def test_the_environment_is_given_back(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", "theirs")
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    with own_folders(tmp_path):
        assert os.environ["WANDB_DIR"] == str(tmp_path)
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "data")
    assert os.environ["WANDB_DIR"] == "theirs"
    assert "WANDB_DATA_DIR" not in os.environ
