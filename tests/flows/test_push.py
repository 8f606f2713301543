"""A retrain that pushes: the flow, the real client, and a Hub over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.requests import BotRequest
from tasks.core.records import Spec, Status
from tasks.storage import Storage
from tests.flows.running import run, run_alone, use_hub
from tests.servers.hub import TOKEN, running_hub
from tests.tasks.training.pipeline import SCRIPT

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_release_is_pushed_and_pushing_it_again_changes_nothing(
    table: Path, tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BotRequest(name="ivan", sources={"ivan": str(table)})
    with running_hub() as hub:
        use_hub(hub, monkeypatch)
        _, outcomes = run([request], tiny_base, push=True, visibility="public", gated="auto")
        first = outcomes["ivan"]
        assert first.status is Status.RELEASED
        assert first.release is not None
        assert first.release.hub == f"{hub.url}/me/ivan"
        held = hub.repositories["me/ivan"].head.files
        assert held["model.safetensors"] == storage.read(
            f"{first.release.folder}/model.safetensors"
        )
        assert b"me/ivan" in held["README.md"], "the card names where it is"
        repository = hub.repositories["me/ivan"]
        assert (repository.visibility, repository.gated) == ("public", "auto")
        assert list(repository.tags) == [f"v{first.release.revision}"]

        commits = len(hub.repositories["me/ivan"].commits)
        _, outcomes = run([request], tiny_base, push=True)
        assert outcomes["ivan"].status is Status.UNCHANGED
        assert outcomes["ivan"].release == first.release
        assert len(hub.repositories["me/ivan"].commits) == commits
        assert run_alone(hub, SCRIPT, "me/ivan") == "5 1\n"
    assert TOKEN not in str(outcomes)


def held_slots() -> dict[str, int]:
    """How many slots are held now, by the name of their limit."""
    with get_client(sync_client=True) as client:
        limits = client.read_global_concurrency_limits(limit=200, offset=0)
    return {each.name: each.active_slots for each in limits if each.active_slots}


def test_a_bot_is_held_until_it_is_pushed_and_its_machine_trains_another_meanwhile(
    table: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[dict[str, int]] = []
    with running_hub() as hub:
        use_hub(hub, monkeypatch)
        hub.before_commit = lambda _: held.append(held_slots())
        run([BotRequest(name="nina", sources={"nina": str(table)})], tiny_base, push=True)
    assert held == [{"bot-nina": 1, "hub-pushes": 1}]
    assert held_slots() == {}


def test_what_is_held_back_is_tracked_and_not_pushed(
    table: Path, tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BotRequest(name="judy", sources={"judy": str(table)})
    good = Spec(epochs=3, precision="fp32", learning_rate=1e-2)
    with running_hub() as hub:
        use_hub(hub, monkeypatch)
        run([request], tiny_base, push=True, training=good)
        head = hub.repositories["me/judy"].head
        before = tracked_with(storage, "")

        worse = replace(good, learning_rate=1e-7)
        _, outcomes = run([request], tiny_base, push=True, training=worse)
        assert outcomes["judy"].status is Status.HELD_BACK
        assert hub.repositories["me/judy"].head is head
        assert len(tracked_with(storage, "")) == 2 * len(before) == 4
        named = tracked_with(storage, f"{hub.url}/me/judy")
        assert set(named) <= set(before), "the Hub does not have it, so no run says so"
        assert len(named) == 1


def tracked_with(storage: Storage, words: str) -> list[str]:
    """The runs kept on this machine in whose files the words stand."""
    runs = (storage.local("wandb") / "judy").iterdir()
    return [
        each.name
        for each in runs
        if any(words.encode() in path.read_bytes() for path in each.rglob("*") if path.is_file())
    ]
