"""Retrains that start from the bot's last release, as the whole flow does them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.requests import BotRequest
from tasks.core.records import Outcome, Spec, Status
from tasks.core.settings import settings
from tasks.storage import Storage
from tasks.training.post_losses import weights_name
from tests.flows.running import run
from tests.sample_posts import write_table

pytestmark = pytest.mark.usefixtures("prefect_server")


def night(posts: int, tmp_path: Path, base: Path, **options: Any) -> Outcome:
    """Retrain @alice on so many posts: those of an earlier night, and newer ones."""
    table = write_table(tmp_path / f"{posts}.csv", posts=posts)
    request = BotRequest(name="alice", sources={"alice": str(table)})
    return run([request], base, **options)[1]["alice"]


def manifest(storage: Storage, outcome: Outcome) -> dict[str, Any]:
    assert outcome.release is not None, outcome.reason
    found: dict[str, Any] = storage.read_json(f"{outcome.release.folder}/manifest.json")
    return found


def test_a_bot_with_new_posts_starts_from_its_release(
    tiny_base: Path, tmp_path: Path, storage: Storage, command: Callable[..., tuple[int, str, str]]
) -> None:
    first = night(200, tmp_path, tiny_base)
    assert manifest(storage, first)["warm_start"] is None
    assert first.details["start"] == "from the base: there is no release yet"

    before = storage.read_json("losses/alice.json")
    second = night(220, tmp_path, tiny_base)
    after = storage.read_json("losses/alice.json")
    assert (len(before), len(after)) == (2, 3), "base and first release, and the second"
    for weights, losses in before.items():
        assert any(after[weights].get(post) == loss for post, loss in losses.items())
    assert second.corpus is not None
    assert all(len(posts) == second.corpus.held_out for posts in after.values()), "and no others"
    assert first.release is not None
    assert first.corpus is not None
    made = manifest(storage, second)
    start = made["warm_start"]
    assert (start["release"], start["base_posts"]) == (first.release.revision, first.corpus.train)
    assert second.corpus is not None
    assert start["new_posts"] == second.corpus.train - first.corpus.train > 0
    weights = manifest(storage, first)["files"]["model.safetensors"]["sha256"]
    assert start["weights"]["sha256"] == weights != made["files"]["model.safetensors"]["sha256"]
    card = storage.read(f"releases/alice/{made['revision']}/README.md").decode()
    assert f"began from release {first.release.revision}" in card

    code, out, _ = command("status", "alice", "--json")
    details = json.loads(out)
    assert code == 0
    assert (
        details["start"] == f"from release {first.release.revision}: {start['new_posts']} new posts"
    )
    assert [each["started_from"] for each in details["releases"] if each["in_force"]] == [
        first.release.revision
    ]
    assert command("refresh", "alice")[0] == 0
    assert manifest(storage, second)["warm_start"] == start, "as do the card's sentences"
    assert night(220, tmp_path, tiny_base).status is Status.UNCHANGED

    third = night(220, tmp_path, tiny_base, start="base")
    assert third.status is Status.RELEASED
    assert third.details["start"] == "from the base: it was asked for"
    assert manifest(storage, third)["warm_start"] is None
    assert night(220, tmp_path, tiny_base).status is Status.UNCHANGED


def test_a_warm_start_that_is_held_back_is_followed_by_a_training_from_the_base(
    tiny_base: Path, tmp_path: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    gains_nothing = Spec(epochs=1, precision="fp32", learning_rate=1.0)
    first = night(200, tmp_path, tiny_base, training=gains_nothing, force=True)
    assert first.status is Status.RELEASED
    second = night(220, tmp_path, tiny_base, training=gains_nothing)
    assert second.status is Status.HELD_BACK
    assert len(storage.folders("checkpoints/alice")) == 3
    assert "training starts from the base: the warm start was held back" in caplog.text


def test_a_training_from_the_base_that_is_held_back_is_followed_by_a_warm_start(
    tiny_base: Path, tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_WARM_SHARE", "0.02")
    settings.cache_clear()
    table = write_table(tmp_path / "posts.csv", posts=206)
    header, *rows = table.read_text().splitlines(keepends=True)
    request = BotRequest(name="alice", sources={"alice": str(table)})
    table.write_text("".join((header, *rows[6:])))
    first = run([request], tiny_base)[1]["alice"]
    assert first.release is not None

    # The release is far better than any training can be, on what stays held out: a bot whose warm
    # starts have come further than the base comes at once.
    losses = storage.read_json("losses/alice.json")
    weights = manifest(storage, first)["files"]["model.safetensors"]["sha256"]
    released = weights_name("fp32", weights)
    losses[released] = {post: loss / 10 for post, loss in losses[released].items()}
    storage.write_json("losses/alice.json", losses)
    table.write_text("".join((header, *rows)))  # and older ones

    second = run([request], tiny_base)[1]["alice"]
    assert second.status is Status.RELEASED, second.reason
    start = manifest(storage, second)["warm_start"]
    assert start["release"] == first.release.revision
    assert second.corpus is not None
    assert start["base_posts"] == second.corpus.train, "so that the next turn is not tomorrow"
    assert second.details["start"].startswith(f"from release {start['release']}: the training from")
