"""A night in one process: what is due, once, with its summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.names import Bot
from tasks.registry.state import load_state, save_state
from tasks.settings import settings
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
    registry: Path, storage: Storage, command: Command
) -> None:
    code, out, _ = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    assert code == 1
    summary = json.loads(out)
    assert summary["counts"] == {"released": 2, "failed": 2}
    assert [each["bot"] for each in summary["bots"]] == ["ada", "bea", "cyd", "dot"]
    reasons = {each["bot"]: each["reason"] for each in summary["bots"]}
    assert "no posts are stored" in reasons["cyd"]
    assert "there is no such file" in reasons["dot"]
    assert storage.read_json("nights/2026-01-01/summary.json") == summary
    assert load_state(storage, Bot.parse("ada")).last_success is not None
    assert load_state(storage, Bot.parse("cyd")).permanent == 1

    before = storage.files("releases")
    code, out, err = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    assert (code, json.loads(out)) == (1, summary), "the same night again"
    assert "it has ended before" in err
    assert storage.files("releases") == before

    code, out, _ = command("nightly", "--registry", registry, "--night", "2026-01-02")
    assert code == 0
    assert "no bot is due" in out, "two are fresh, and two are to be left alone for an hour"


def test_an_interrupted_night_goes_on_by_its_plan(
    registry: Path, storage: Storage, command: Command
) -> None:
    command("nightly", "--registry", registry, "--night", "2026-01-01")
    storage.delete("nights/2026-01-01/summary.json")  # as if it had been killed before the end
    registry.write_text("bots: []")
    code, out, _ = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    assert code == 1
    assert json.loads(out)["counts"] == {"unchanged": 2, "failed": 2}


def test_a_budget_of_hours_leaves_the_rest_for_later(
    registry: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_REGISTRY", str(registry))
    settings.cache_clear()
    code, out, _ = command("nightly", "--hours", "0.1", "--json")
    assert code == 0
    summary = json.loads(out)
    assert [each["bot"] for each in summary["bots"]] == ["ada"]
    assert {each["why"] for each in summary["left"]} == {"over the night's 0.1 hours"}


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

    storage.delete("releases/fay")
    code, out, _ = command(*words)
    assert json.loads(out) == {"fresh": 1, "wrong lines": 1, "released": 1}
    code, _, err = command("backfill", "--file", tmp_path / "none.txt")
    assert code == 2
    assert "no list can be read" in err


def test_status_tells_what_is_parked(
    command: Command, storage: Storage, tmp_path: Path, tiny_base: Path
) -> None:
    path = tmp_path / "bots.yaml"
    path.write_text(f"bots:\n  - {{handles: [gus], base: {tiny_base}}}\n")
    gus = Bot.parse("gus")
    for night in ("2026-01-01", "2026-01-02", "2026-01-03"):
        command("nightly", "--registry", path, "--night", night)
        state = load_state(storage, gus)
        save_state(storage, gus, replace(state, next_attempt_at=None))  # as if an hour had passed
    assert (state.permanent, "no posts are stored" in state.parked) == (3, True)
    (row,) = json.loads(command("status", "--json")[1])
    assert (row["outcome"], row["parked"]) == ("failed", True)
    code, out, _ = command("nightly", "--registry", path, "--night", "2026-01-04")
    assert (code, "no bot is due" in out) == (0, True)
