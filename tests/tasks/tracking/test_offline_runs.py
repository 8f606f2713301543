"""What was recorded offline is sent later: once, whole, and in order."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pyarrow import fs

from tasks.core.errors import BadInput
from tasks.core.settings import Settings, settings
from tasks.tracking.offline_runs import send_offline_runs
from tasks.tracking.run_specs import PREPROCESS
from tasks.tracking.sweep_runs import track_trials
from tasks.tracking.wandb_environment import tracking_folder, wandb_confined_to
from tests.servers.prefect_site import until
from tests.servers.wandb import KEY, Fault, running_wandb
from tests.tasks.tracking.tracked import online, track, training


@pytest.fixture
def server():
    with running_wandb() as wandb:
        yield wandb


@pytest.fixture
def offline(tmp_path):
    """A folder with the two runs of a bot."""
    track(tmp_path / "wandb")
    return tmp_path / "wandb"


def test_all_runs_are_sent_once(server, offline):
    track(offline, training("carol"))
    sent = send_offline_runs(offline, Settings(**online(server)))
    assert [each.trouble for each in sent] == [None] * 4
    assert [each.run.startswith(PREPROCESS) for each in sent] == [True, True, False, False]
    assert {each.bot for each in sent} == {"alice-bob", "carol"}
    assert all(each.url.endswith(f"/runs/{each.run}") for each in sent)
    assert {run.state for run in server.state.runs.values()} == {"finished"}
    asked = len(server.steps)
    assert send_offline_runs(offline, Settings(**online(server))) == []
    assert len(server.steps) == asked


def test_a_sweep_is_sent_too(server, tmp_path):
    track_trials("rates", [{"rate": 0.1}], folder=tmp_path / "sweeps", settings=Settings())
    (sent,) = send_offline_runs(tmp_path, Settings(**online(server)))
    assert (sent.bot, sent.trouble) == ("sweeps", None)
    assert [run.display_name for run in server.state.runs.values()] == ["rates"]


def test_what_did_not_arrive_is_named_and_sent_again(server, offline):
    server.fault = lambda step: Fault(400) if step == "CommitArtifact" else None
    first, second = send_offline_runs(offline, Settings(**online(server)))
    assert first.trouble == "dataset-alice-bob, tweets-alice-bob did not arrive: send it again"
    assert "alice-bob, dataset-alice-bob, gpt2 did not arrive" in second.trouble
    server.fault = lambda _: None
    sent = send_offline_runs(offline, Settings(**online(server)))
    assert [(each.run, each.trouble) for each in sent] == [(first.run, None), (second.run, None)]
    used, made = server.state.lineage()["@alice-bob-preprocess"]
    assert (used, made) == (["tweets-alice-bob"], ["dataset-alice-bob"])


def test_curves_that_did_not_arrive_are_missed(server, offline):
    server.fault = lambda step: Fault(400) if step == "stream" else None
    sent = send_offline_runs(offline, Settings(**online(server)))
    assert {each.trouble for each in sent} == {"its curves did not arrive: send it again"}


def test_a_service_that_does_not_answer_is_left_alone(server, offline):
    server.fault = lambda _: Fault(0)
    first, second = send_offline_runs(offline, Settings(**online(server)), seconds=2)
    assert (first.url, first.trouble) == (None, "no answer in time")
    assert second.trouble == "not tried, since the runs before it did not arrive"


def test_a_wrong_key_is_reported_in_the_services_words(server, offline):
    wrong = Settings(**online(server, wandb_api_key="f" * 40))
    assert send_offline_runs(offline, wrong)[0].trouble == "user is not logged in"


def test_a_service_that_cannot_be_asked_afterwards_is_reported(server, offline):
    server.fault = lambda step: Fault(400) if step == "Run" else None
    sent = send_offline_runs(offline, Settings(**online(server)))
    assert all(each.url and "a fault of the tests" in each.trouble for each in sent)
    assert not list(offline.rglob("sent"))


def test_a_recording_that_was_cut_off_is_sent_as_far_as_it_goes(server, offline):
    (record,) = offline.glob("*/train-*/wandb/offline-run-*/run-*.wandb")
    until(lambda: b"bot_loss" in record.read_bytes(), 30, "all of the record")
    record.write_bytes(record.read_bytes()[: record.stat().st_size // 2])
    _, train = send_offline_runs(offline, Settings(**online(server)))
    assert train.trouble == "in part: its record is truncated"
    assert send_offline_runs(offline, Settings(**online(server))) == []


def test_a_run_that_is_being_recorded_waits(server, offline):
    (train,) = offline.glob("*/train-*")
    with wandb_confined_to(train):
        sent = send_offline_runs(offline, Settings(**online(server)))
    troubles = [each.trouble for each in sent]
    assert troubles == [None, "still being recorded: send it once that has ended"]
    (late,) = send_offline_runs(offline, Settings(**online(server)))
    assert (late.run, late.trouble) == (train.name, None)


def test_without_a_key_nothing_can_be_sent(offline):
    with pytest.raises(BadInput, match="HUGGINGTWEETS_WANDB_API_KEY"):
        send_offline_runs(offline, Settings())


def test_the_command(server, storage, command, monkeypatch):
    monkeypatch.setenv("HUGGINGTWEETS_WANDB_URL", server.url)
    monkeypatch.setenv("HUGGINGTWEETS_WANDB_API_KEY", KEY)
    settings.cache_clear()
    code, out, _ = command("sync")
    assert (code, out) == (0, "No offline runs to send.\n")
    track(tracking_folder(storage, Settings()), wandb_api_key=None)
    code, out, _ = command("sync", "--json")
    assert code == 0
    assert [each["trouble"] for each in json.loads(out)] == [None, None]
    track(tracking_folder(storage, Settings()), training("carol"), wandb_api_key=None)
    server.key = "0" * 40
    code, out, _ = command("sync")
    assert code == 1
    assert "carol" in out
    assert KEY not in out


def test_beside_an_object_store_runs_lie_in_the_cache(storage, tmp_path):
    remote = replace(storage, filesystem=fs.SubTreeFileSystem("x", storage.filesystem))
    assert tracking_folder(remote, Settings(cache=tmp_path)) == tmp_path / "wandb"
