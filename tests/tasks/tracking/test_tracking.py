"""Tracking with the real client, offline."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from tasks.core.records import TrackedRun
from tasks.tracking.wandb_environment import is_being_written, wandb_confined_to
from tests.tasks.tracking.tracked import TEXT_OF_POST, broken, track, training


def is_recorded(folder: str | Path, *words: bytes) -> bool:
    """Whether all words come to stand in a run's own record, which is written in the background."""
    (file,) = Path(folder).glob("wandb/offline-run-*/run-*.wandb")
    for _ in range(100):
        if all(word in file.read_bytes() for word in words):
            return True
        time.sleep(0.05)
    return False


def staged(folder: Path) -> list[str]:
    """What the artifacts hold that wait to be sent."""
    return [path.read_text() for path in sorted(folder.glob("*/*/data/artifacts/staging/*"))]


def test_without_a_key_both_runs_lie_in_the_bots_folder(tmp_path):
    tracked = track(tmp_path)
    assert (tracked.url, tracked.preprocess_url) == (None, None)
    train, preprocess = Path(tracked.folder), *tmp_path.glob("alice-bob/preprocess-*")
    assert train == tmp_path / "alice-bob" / tracked.id
    assert is_recorded(
        train, b"@alice-bob-train", b"train-dataset", b"c" * 64, b"pretrained-model", b"gpt2",
        b"held_out_loss", b"finetuned-model", b"predictions", b"bot_loss",
    )  # fmt: skip
    assert is_recorded(preprocess, b"@alice-bob-preprocess", b"dataset-alice-bob", b"raw-dataset")
    assert not is_being_written(train)


def test_ids_and_digests_only(tmp_path):
    track(tmp_path)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(TEXT_OF_POST.encode() in data for data in files)
    assert any('"alice","1"' in text for text in staged(tmp_path))


def test_texts_are_logged_only_from_an_own_archive_and_if_asked(tmp_path):
    for number, (source, asked) in enumerate([("x_archive", False), ("table", True)]):
        track(tmp_path / str(number), source=source, wandb_texts=asked)
        assert not any(TEXT_OF_POST in text for text in staged(tmp_path / str(number)))
    track(tmp_path / "with_texts", source="x_archive", wandb_texts=True)
    with_texts = [text for text in staged(tmp_path / "with_texts") if TEXT_OF_POST in text]
    assert len(with_texts) == 3  # the raw posts, and the dataset as it is made and as it is used


def test_nothing_is_written_outside_the_folder(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    root = Path(__file__).parents[3]
    script = (
        "from pathlib import Path\nfrom tests.tasks.tracking.tracked import track\n"
        f"print(track(Path({str(tmp_path / 'tracking')!r})).id)"
    )
    # Not the tests' own process: wandb asks for the home folder once, when it is imported.
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=work, env={**environment, "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in ("", "None")
    assert done.stderr == ""
    assert list(home.rglob("*")) == []
    assert list(work.rglob("*")) == []
    assert {path.name for path in tmp_path.iterdir()} == {"home", "work", "tracking"}


def test_switched_off_it_does_nothing(tmp_path):
    assert track(tmp_path / "tracking", tracking=False) == TrackedRun()
    assert not (tmp_path / "tracking").exists()


def test_trouble_is_a_warning_and_no_run(tmp_path, caplog):
    (tmp_path / "tracking").write_text("a file, not a folder")
    with caplog.at_level(logging.WARNING):
        assert track(tmp_path / "tracking") == TrackedRun()
        assert track(tmp_path, broken()) == TrackedRun()
    messages = [each.getMessage() for each in caplog.records if each.name == "huggingtweets"]
    assert len(messages) == 2
    assert all("@alice-bob: tracking failed" in message for message in messages)


def test_a_key_that_no_service_takes_is_never_logged(tmp_path, caplog):
    key = "malformed-and-secret "
    with caplog.at_level(logging.WARNING):
        tracked = track(tmp_path, wandb_api_key=key)
    assert is_recorded(tracked.folder, b"@alice-bob-train", b"finetuned-model")
    assert "@alice-bob: tracking online failed" in caplog.text
    assert key.strip() not in caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(key.strip().encode() not in path.read_bytes() for path in files)


def test_the_same_thing_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        track(tmp_path / name, training())
    one, two = (sorted(staged(tmp_path / name)) for name in ("one", "two"))
    assert one == two
    assert any(json.loads(text).get("revision") == "607a" for text in one if text.startswith("{"))


def test_the_environment_is_given_back(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", "theirs")
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    with wandb_confined_to(tmp_path):
        assert os.environ["WANDB_DIR"] == str(tmp_path)
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "data")
        assert is_being_written(tmp_path)
    assert not is_being_written(tmp_path)
    assert os.environ["WANDB_DIR"] == "theirs"
    assert "WANDB_DATA_DIR" not in os.environ
