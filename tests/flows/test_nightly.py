"""A night in one process: what is due, once, with its summary."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.context import FlowRunContext

from flows.backfill import backfill
from flows.nightly import _tonight, nightly
from flows.requests import RetrainOptions
from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.night import delete_plan, load_plan, save_plan
from tasks.registry.nights import save_summary
from tasks.registry.state import load_state, save_state
from tasks.storage import Storage
from tests.sample_posts import write_table

pytestmark = pytest.mark.usefixtures("prefect_server")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def registry(tmp_path: Path, tiny_base: Path) -> Path:
    """Two bots that can be trained, one without posts, and one that cannot be read."""
    bots = []
    for seed, name in enumerate(("ada", "bea")):
        table = write_table(tmp_path / f"{name}.csv", posts=200, seed=seed)
        bots.append(f"  - {{handles: [{name}], source: {table}, priority: {2 - seed}}}")
    bots += ["  - {handles: [cyd]}", f"  - {{handles: [dot], source: {tmp_path}/none.csv}}"]
    defaults = f"defaults: {{base: {tiny_base}, training: {{epochs: 1, precision: fp32}}}}"
    path = tmp_path / "bots.yaml"
    path.write_text("\n".join([defaults, "bots:", *bots]))
    return path


def test_a_night_releases_what_it_can_and_explains_the_rest(
    registry: Path,
    storage: Storage,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = {"SITE": str(tmp_path / "site"), "SITE_WRITING": "false", "VISIBILITY": "public"}
    for name, value in site.items():
        monkeypatch.setenv(f"HUGGINGTWEETS_{name}", value)
    settings.cache_clear()
    code, out, _ = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    assert code == 1
    pages = sorted(page.parent.name for page in (tmp_path / "site" / "bots").glob("*/index.html"))
    assert pages == ["ada", "bea"]
    summary = json.loads(out)
    assert summary["counts"] == {"released": 2, "failed": 2}
    assert [each["bot"] for each in summary["bots"]] == ["ada", "bea", "cyd", "dot"]
    reasons = {each["bot"]: each["reason"] for each in summary["bots"]}
    assert "no posts are stored" in reasons["cyd"]
    assert "there is no such file" in reasons["dot"]
    kept = storage.read_json("nights/2026-01-01/summary.json")
    assert (kept["counts"], kept["began"]) == (summary["counts"], summary["began"])
    assert [each["bot"] for each in kept["bots"]] == list(reasons)
    assert load_state(storage, Bot.parse("ada")).last_success is not None
    assert load_state(storage, Bot.parse("cyd")).permanent == 1

    before = storage.files("releases")
    code, out, err = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    assert (code, json.loads(out)) == (1, summary), "the same night again"
    assert "Night 2026-01-01 has ended before" in err
    assert storage.files("releases") == before

    # As if it had been killed before the end, with one bot still to do: it goes on by its plan.
    storage.delete("nights/2026-01-01/summary.json")
    storage.delete("outcomes/bea.json")
    bots = registry.read_text()
    registry.write_text("bots: []")
    code, out, err = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    counts = json.loads(out)["counts"]
    assert code == 1
    assert counts == {"released": 1, "unchanged": 1, "failed": 2}, "none is done twice"
    assert "3 bots were done before it was interrupted" in err
    registry.write_text(bots)

    storage.delete("releases/bea")
    code, out, _ = command("nightly", "--registry", registry, "--night", "2026-01-02")
    assert code == 0
    assert "no bot was due" in out, "two are fresh, and two are to be left alone for an hour"
    assert not (tmp_path / "site" / "bots" / "bea").exists(), "the site is brought up to date"


def test_a_night_tried_again_sees_the_plan_of_its_first_try(storage: Storage) -> None:
    """Prefect keeps what tasks returned for the next try of a run: here that would be outdated."""
    tries, plan = [], {"began": "2026-01-01T00:00:00", "bots": [], "before": {}}

    @flow(persist_result=True, retries=1)
    def story() -> Any:
        tries.append(load_plan("2026-01-01"))
        save_plan("2026-01-01", plan)
        if len(tries) == 1:
            raise RuntimeError("as if it had been killed")

    story()
    assert tries == [None, plan]
    delete_plan("2026-01-01")
    assert load_plan.fn("2026-01-01") is None


def test_a_night_that_has_failed_has_failed_when_it_is_asked_for_again(
    storage: Storage,
) -> None:
    bots = [{"bot": "ada", "outcome": "failed", "reason": "why"}]
    save_summary(storage, "2026-01-01-2", {"counts": {"failed": 1}, "bots": bots})
    state = asyncio.run(nightly("2026-01-01-2", here=True, return_state=True))
    assert (state.is_failed(), state.message) == (True, "1 of 1 bots failed: ada")


def test_the_night_of_a_run_is_that_of_its_first_try() -> None:
    began = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)

    @flow
    def story() -> str:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        assert _tonight() == f"{datetime.now(UTC):%Y-%m-%d}"
        context.flow_run.start_time = began  # as the server tells it when a run is tried again
        return _tonight()

    assert story() == "2026-01-31"


def test_a_budget_of_hours_leaves_the_rest_for_later(
    tmp_path: Path, tiny_base: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots = [{"handles": [name], "priority": n} for n, name in enumerate(("ida", "joy"))]
    registry = {"defaults": {"base": str(tiny_base)}, "bots": bots}
    (tmp_path / "bots.yaml").write_text(json.dumps(registry))
    monkeypatch.setenv("HUGGINGTWEETS_REGISTRY", str(tmp_path / "bots.yaml"))
    settings.cache_clear()
    code, out, _ = command("nightly", "--hours", "0.1", "--json")
    assert code == 1
    summary = json.loads(out)
    assert [each["bot"] for each in summary["bots"]] == ["joy"]
    assert [each["bot"] for each in summary["left"]] == ["ida"]
    assert {each["reason"] for each in summary["left"]} == {"over the night's 0.1 hours"}


def test_backfill_does_what_has_no_fresh_release_and_names_bad_lines(
    tmp_path: Path, tiny_base: Path, storage: Storage, command: Command
) -> None:
    for seed, name in enumerate(("eva", "fay")):
        table = write_table(tmp_path / f"{name}.csv", posts=200, seed=seed)
        command("import", table, "--handle", name)
    lists = tmp_path / "list.txt"
    lists.write_text("\ufeffeva # the first\n\n@Eva\nnot a handle\nfay\n")
    words = ("backfill", "--file", lists, "--source", "stored", "--base", tiny_base, "--json")
    code, out, err = command(*words)
    assert code == 1
    assert json.loads(out) == {"fresh": 0, "wrong lines": 1, "released": 2}
    assert "line 4: 'not a handle'" in err
    assert "2 of 2 bots done" in err

    assert storage.files("nights") == {}, "the plan is for an interrupted one"
    storage.delete("releases/fay")
    code, out, _ = command(*words)
    assert json.loads(out) == {"fresh": 1, "wrong lines": 1, "released": 1}
    code, _, err = command("backfill", "--file", tmp_path / "none.txt")
    assert code == 2
    assert "none.txt: there is no such file" in err


def test_a_backfill_of_the_ui_names_bad_lines_and_fails(
    tmp_path: Path, tiny_base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lists = tmp_path / "list.txt"
    lists.write_text("not a handle\nhal\n")
    options = RetrainOptions(base=str(tiny_base))
    state = asyncio.run(
        backfill(file=str(lists), source="stored", options=options, here=True, return_state=True)
    )
    assert state.is_failed()
    assert state.message == "1 of 1 bots failed, 1 lines name no account"
    assert "line 1: 'not a handle'" in caplog.text


def test_status_tells_what_is_parked(
    command: Command, storage: Storage, tmp_path: Path, tiny_base: Path
) -> None:
    path = tmp_path / "bots.yaml"
    path.write_text(f"bots:\n  - {{handles: [gus], base: {tiny_base}}}\n")
    gus = Bot.parse("gus")
    command("nightly", "--registry", path, "--night", "2026-01-01")
    state = load_state(storage, gus)
    assert (state.permanent, state.parked) == (1, "")
    # As if an hour had passed, and one more night with the same end.
    save_state(storage, gus, replace(state, permanent=2, next_attempt_at=None))
    command("nightly", "--registry", path, "--night", "2026-01-03")
    state = load_state(storage, gus)
    save_state(storage, gus, replace(state, next_attempt_at=None))
    assert (state.permanent, "no posts are stored" in state.parked) == (3, True)
    (row,) = json.loads(command("status", "--json")[1])
    assert row["outcome"] == "failed"
    assert "no posts are stored" in row["parked"]
    code, out, _ = command("nightly", "--registry", path, "--night", "2026-01-04")
    assert (code, "no bot was due" in out) == (0, True)
