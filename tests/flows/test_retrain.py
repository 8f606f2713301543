from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import ArtifactSort

from deployments.web.run_progress import progress_of, run_of_bot
from flows.bot import fetch_and_compare
from flows.requests import BotRequest, RetrainOptions
from tasks.core.names import Bot
from tasks.core.records import Outcome, Spec, Status
from tasks.core.settings import settings
from tasks.publishing.escaping import plain
from tasks.publishing.releases import latest_release
from tasks.registry.attempts import begin_attempt, end_attempt
from tasks.registry.due_marks import clear_due, mark_due
from tasks.storage import Storage, storage_root
from tests.flows.running import QUICK, run
from tests.sample_posts import write_table

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_one_bot_end_to_end_and_then_unchanged(
    table: Path, tiny_base: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    request = BotRequest(name="alice", sources={"alice": str(table)})
    began = datetime.now(UTC)
    state, outcomes = run([request], tiny_base)
    check_the_page(began)
    first = outcomes["alice"]
    assert (state, first.status) == ("Completed", Status.RELEASED)
    assert first.corpus is not None
    assert first.corpus.counts["alice"].downloaded == 200
    assert first.corpus.counts["alice"].dropped["retweet"] == 20
    assert first.evaluation is not None
    assert first.evaluation.bot_loss < first.evaluation.base_loss
    (line,) = [text for text in caplog.messages if "it writes" in text]
    assert line == f"@alice: released; it writes: {plain(first.evaluation.new_texts[0])}"
    assert first.release is not None
    names = {Path(key).name for key in storage.keys(first.release.folder)}
    assert {"README.md", "predictions.png", "metrics.json", "manifest.json"} <= names
    assert {"model.safetensors", "config.json", "generation_config.json"} <= names

    _, outcomes = run([request], tiny_base)
    second = outcomes["alice"]
    assert second.status is Status.UNCHANGED
    assert second.release == first.release
    assert second.evaluation == first.evaluation

    shutil.rmtree(storage.local("posts"))
    _, outcomes = run([request], tiny_base)
    assert outcomes["alice"].status is Status.UNCHANGED, "the source fills the lake again"

    storage.delete(first.corpus.file.uri)
    storage.delete(f"{first.release.folder}/model.safetensors")
    for checkpoint in storage.folders("checkpoints/alice"):
        storage.delete(checkpoint)
    _, outcomes = run([request], tiny_base)
    third = outcomes["alice"]
    assert third.status is Status.RELEASED, "a release with a missing file is made again"
    assert third.evaluation is not None
    assert third.evaluation.bot_loss == pytest.approx(first.evaluation.bot_loss, rel=1e-3)


def test_one_bots_failure_leaves_the_others_going(
    table: Path, tiny_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "few.txt").write_text("one short post here\n")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    second = write_table(tmp_path / "second.csv", posts=150, seed=1)
    requests = [
        BotRequest(name="few", sources={"few": str(tmp_path / "few.txt")}),
        BotRequest(name="odd", sources={"odd": str(tmp_path / "odd.csv")}),
        BotRequest(name="nobody"),
        BotRequest(name="mixed", sources={"other": str(table)}),
        BotRequest(name="erin-dave", sources={"dave": str(table), "erin": str(second)}),
    ]
    state, outcomes = run(requests, tiny_base)
    assert state == "Failed"
    of_two = outcomes["dave-erin"]
    assert of_two.status is Status.RELEASED
    assert of_two.corpus is not None
    assert set(of_two.corpus.counts) == {"dave", "erin"}
    failed = {name: outcome for name, outcome in outcomes.items() if name != "dave-erin"}
    assert {outcome.status for outcome in failed.values()} == {Status.FAILED}
    assert "6,000" in failed["few"].reason or "6000" in failed["few"].reason
    assert "column" in failed["odd"].reason
    assert "import" in failed["nobody"].reason
    assert "other" in failed["mixed"].reason
    assert all("\n" not in outcome.reason for outcome in outcomes.values())


def test_an_unknown_base_is_told(table: Path, tmp_path: Path) -> None:
    request = BotRequest(name="frank", sources={"frank": str(table)})
    _, outcomes = run([request], tmp_path / "no-such-base")
    assert outcomes["frank"].status is Status.FAILED
    assert "no-such-base" in outcomes["frank"].reason


def test_a_push_without_token_is_refused_before_the_training(
    table: Path, tiny_base: Path, storage: Storage
) -> None:
    request = BotRequest(name="grace", sources={"grace": str(table)})
    _, outcomes = run([request], tiny_base, push=True)
    assert "HUGGINGTWEETS_HUB_TOKEN" in outcomes["grace"].reason
    assert not storage.exists("checkpoints/grace")


def check_the_page(began: datetime) -> None:
    """What Prefect's pages, and ours, show of @alice's run."""

    async def shown() -> set[str]:
        async with get_client() as client:
            found = await client.read_artifacts(sort=ArtifactSort.CREATED_DESC)  # a page of them
            return {f"{artifact.type}: {artifact.description}" for artifact in found}

    titles = " | ".join(asyncio.run(shown()))
    for title in (
        "table: Posts of @alice, filter modern",
        "table: Predictions of @alice, held-out loss",
        "image: @alice at ",
        "progress: Training of @alice",
        "table: Outcomes",
    ):
        assert title in titles
    with get_client(sync_client=True) as client:  # as the local page finds them
        found = progress_of(client, run_of_bot(Bot.parse("alice"), began=began))
    assert [each["step"] for each in found["steps"] if each["state"] == "done"] == [
        "curate", "train", "measure", "publish",
    ]  # fmt: skip
    assert found["training"]["done"] == found["training"]["total"] > 0


def test_a_bot_that_kills_its_process_is_left_out_after_three_times(
    table: Path, tiny_base: Path, storage: Storage
) -> None:
    requests = [BotRequest(name=name, sources={name: str(table)}) for name in ("mal", "sane")]
    for _ in range(3):
        begin_attempt(storage, Bot.parse("mal"))  # what a killed process leaves behind
    _, outcomes = run(requests, tiny_base)
    assert list(outcomes) == ["mal", "sane"], "the suspect goes last, and is listed in its place"
    assert outcomes["sane"].status is Status.RELEASED
    assert outcomes["mal"].status is Status.FAILED
    assert "3 retrains in a row" in outcomes["mal"].reason
    _, outcomes = run(requests[:1], tiny_base)
    assert outcomes["mal"].status is Status.RELEASED, "after that it may be tried again by hand"


def test_what_counts_as_new(
    table: Path, tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BotRequest(name="newt", sources={"newt": str(table)})
    options = RetrainOptions(base=str(tiny_base), training=QUICK)
    _, outcomes = run([request], tiny_base)
    assert outcomes["newt"].status is Status.RELEASED
    found = unchanged(request, options)
    assert found is not None
    assert found.status is Status.UNCHANGED

    for name in ("TOKEN", "NAMESPACE"):
        monkeypatch.setenv(f"HUGGINGTWEETS_HUB_{name}", "me")
    settings.cache_clear()
    changes = {
        "languages": options.model_copy(update={"languages": ("en",)}),
        "force": options.model_copy(update={"force": True}),
        "push": options.model_copy(update={"push": True}),
        "seed": options.model_copy(update={"training": replace(QUICK, seed=1)}),
    }
    assert {name: unchanged(request, each) for name, each in changes.items()} == dict.fromkeys(
        changes
    )
    mark_due(storage, request.bot, "posts are gone", datetime.now(UTC))
    assert unchanged(request, options) is None
    clear_due(storage, request.bot, datetime.now(UTC))
    assert unchanged(request, options) is not None
    table.write_text(table.read_text() + "999,2026-03-01T00:00:00+00:00,a new post of mine\n")
    assert unchanged(request, options) is None


def unchanged(request: BotRequest, options: RetrainOptions) -> Outcome | None:
    @flow
    def look() -> None:
        end_attempt(storage_root(), request.bot)
        found.append(fetch_and_compare(request, options)[1])

    found: list[Outcome | None] = []
    look()
    return found[0]


def test_a_bot_that_is_worse_than_the_released_is_held_back_until_forced(
    table: Path, tiny_base: Path, storage: Storage
) -> None:
    request = BotRequest(name="olga", sources={"olga": str(table)})
    good = Spec(epochs=3, precision="fp32", learning_rate=1e-2)
    worse = replace(good, learning_rate=1e-7)
    _, outcomes = run([request], tiny_base, training=good)
    assert outcomes["olga"].status is Status.RELEASED
    released = outcomes["olga"].release

    for _ in range(2):  # the second time it is seen without a training
        state, outcomes = run([request], tiny_base, training=worse)
        held = outcomes["olga"]
        assert (state, held.status) == ("Completed", Status.HELD_BACK)
        assert "against the release's" in held.reason
        assert "over the 0.100 allowed" in held.reason
        assert "samples repeat training posts" in held.reason
        assert latest_release(storage, request.bot) == released
    assert len(storage.folders("checkpoints/olga")) == 2, "what was trained stays"

    _, outcomes = run([request], tiny_base, training=worse, force=True)
    assert outcomes["olga"].status is Status.RELEASED
    assert outcomes["olga"].release != released
