"""Online, what came of what is read back through the client's own API."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from tasks.tracking.wandb_environment import wandb_confined_to
from tests.servers.wandb import KEY, Wandb, running_wandb
from tests.tasks.tracking.tracked import PROJECT, TEXT_OF_POST, online, track, training


class Verdict(StrEnum):
    GOOD = "good enough"


@dataclass(frozen=True)
class Repeats:
    share: float
    examples: tuple[str, ...] = (TEXT_OF_POST,)


@dataclass(frozen=True)
class Gate:
    verdict: Verdict = Verdict.GOOD
    released_loss: float = 3.2
    reason: str = TEXT_OF_POST
    memorised: Repeats = Repeats(0.02)


@pytest.fixture
def server():
    with running_wandb() as wandb:
        yield wandb


def api(server: Wandb) -> Any:
    import wandb

    return wandb.Api(overrides={"base_url": server.url}, api_key=server.key)


def run_at(server: Wandb, url: str) -> Any:
    return api(server).run(f"{PROJECT}/{url.rpartition('/')[2]}")


def names(artifacts: Any) -> list[tuple[str, str]]:
    return sorted((each.name, each.type) for each in artifacts if each.type != "run_table")


def test_the_lineage_is_that_of_the_original(server, tmp_path, caplog):
    tracked = track(tmp_path, replace(training(), gate=Gate()), **online(server))
    with wandb_confined_to(tmp_path / "asking"):
        preprocess = run_at(server, tracked.preprocess_url)
        train = run_at(server, tracked.url)
        assert (preprocess.name, preprocess.job_type) == ("@alice-bob-preprocess", "preprocess")
        assert (train.name, train.job_type) == ("@alice-bob-train", "train")
        assert {preprocess.state, train.state} == {"finished"}
        assert names(preprocess.used_artifacts()) == [("tweets-alice-bob:v0", "raw-dataset")]
        dataset = [("dataset-alice-bob:v0", "train-dataset")]
        assert names(preprocess.logged_artifacts()) == dataset
        assert names(train.used_artifacts()) == [*dataset, ("gpt2:v0", "pretrained-model")]
        assert names(train.logged_artifacts()) == [("alice-bob:v0", "finetuned-model")]
        (model,) = (each for each in train.logged_artifacts() if each.type == "finetuned-model")
        assert model.logged_by().id == train.id
        assert model.metadata["sha256"] == "d" * 64
    assert server.strange == ["POST /sdk/otel/v1/metrics"] * len(server.strange)
    assert [each for each in caplog.records if each.name == "huggingtweets"] == []


def test_curves_predictions_and_the_gates_figures(server, tmp_path):
    tracked = track(tmp_path, replace(training(), gate=Gate()), **online(server))
    with wandb_confined_to(tmp_path / "asking"):
        run = run_at(server, tracked.url)
        figures = dict(run.summary)
        assert figures["base_loss"] == 4.0
        assert figures["bot_loss"] == 3.0
        assert figures["gate.verdict"] == "good enough"
        assert figures["gate.released_loss"] == 3.2
        assert figures["gate.memorised.share"] == 0.02
        assert "gate.reason" not in figures
        assert run.config["learning_rate"] == 2e-4
        assert [each["name"] for each in run.config["inputs"]] == ["dataset-alice-bob", "gpt2"]
        (table,) = (each for each in run.logged_artifacts() if each.type == "run_table")
        found = json.loads(Path(table.download(), "predictions.table.json").read_text())
    assert found["columns"] == ["Input", "Prediction"]
    assert found["data"] == [["I like", "I like tea"]]
    rows = server.state.runs[tracked.id].rows
    assert rows[:2] == [
        {"tokens": 100, "train_loss": 4},
        {"tokens": 200, "train_loss": 3.5, "held_out_loss": 3.1},
    ]
    assert not any(TEXT_OF_POST.encode() in data for data in server.state.uploads.values())


def test_what_was_made_once_is_known_again(server, tmp_path):
    for _ in range(2):
        track(tmp_path, **online(server))
    kinds = [each.type for each in server.state.artifacts.values()]
    assert [kinds.count(kind) for kind in ("raw-dataset", "train-dataset", "pretrained-model")] == [
        1, 1, 1
    ]  # fmt: skip
    assert len(server.state.runs) == 4


def test_a_model_that_is_to_be_published_is_a_reference(server, tmp_path):
    url = "https://hub.example/me/alice-bob"
    track(tmp_path, replace(training(), model_url=url), **online(server))
    (model,) = (a for a in server.state.artifacts.values() if a.type == "finetuned-model")
    manifest = json.loads(server.state.uploads[model.manifest])
    assert manifest["contents"]["model"]["ref"] == url


def test_what_was_sent_leaves_nothing_here_and_no_key(server, tmp_path, capfd):
    tracked = track(tmp_path, **online(server))
    assert tracked.folder is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert capfd.readouterr() == ("", "")
    sent = [
        *server.state.uploads.values(),
        *(r.config.encode() for r in server.state.runs.values()),
    ]
    assert not any(KEY.encode() in data for data in sent)
