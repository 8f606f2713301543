"""A damaged state file is the trouble of the bot that it is about, and the batch goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.requests import BotRequest
from tasks.core.names import Bot
from tasks.core.records import Status
from tasks.operations.night_plan import select
from tasks.registry.attempts import attempts_of
from tasks.registry.due import NightBudget
from tasks.registry.entries import load_registry
from tasks.registry.outcomes import load_outcomes
from tasks.registry.state import load_states
from tasks.storage import Storage
from tests.flows.running import run

pytestmark = pytest.mark.usefixtures("prefect_server")
DAMAGED = {
    "ann": "outcomes/ann.json",
    "ben": "due/ben.json",
    "cat": "attempts/cat.json",
    "dan": "states/dan.json",
    "eli": "accounts/eli/x_api.json",
}


@pytest.fixture
def damaged(storage: Storage) -> Storage:
    """The storage, with a damaged file of each bot but `fay`."""
    for key in DAMAGED.values():
        storage.write(key, b"\xff{")
    return storage


def test_a_batch_goes_on_and_the_bot_names_its_file(
    damaged: Storage, tiny_base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, outcomes = run([BotRequest(name=name) for name in (*DAMAGED, "fay")], tiny_base)
    assert {each.status for each in outcomes.values()} == {Status.FAILED}
    reasons = {name: each.reason for name, each in outcomes.items()}
    path = damaged.local("states/dan.json")
    assert reasons.pop("dan").startswith(f"@dan: {path} is damaged (not UTF-8: ")
    assert all("no posts are stored" in reason for reason in reasons.values())
    assert f"@ann: {damaged.local('outcomes/ann.json')} is damaged" in caplog.text
    assert f"@cat: {damaged.local('attempts/cat.json')} is damaged" in caplog.text

    assert list(load_outcomes(damaged).values) == [*DAMAGED, "fay"], "they are written anew"
    assert list(load_states(damaged).damaged) == ["dan"], "it stays until somebody has looked"
    assert [attempts_of(damaged, Bot.parse(name)) for name in DAMAGED] == [0] * len(DAMAGED)


def test_a_night_selects_the_bots_of_damaged_files_too(
    damaged: Storage, tmp_path: Path, tiny_base: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    registry = tmp_path / "bots.yaml"
    sources = {"eli": "x_api"}
    lines = [
        f"  - {{handles: [{name}], source: {json.dumps(sources.get(name))}}}"
        for name in (*DAMAGED, "fay")
    ]
    registry.write_text("\n".join([f"defaults: {{base: {tiny_base}}}", "bots:", *lines]))
    found = select(damaged, load_registry(registry), NightBudget(), datetime.now(UTC))
    assert {each.entry.bot.name for each in found.chosen} == {*DAMAGED, "fay"}
    why = {each.entry.bot.name: each.reason for each in found.chosen}
    assert str(damaged.local("states/dan.json")) in why["dan"]
    found = select(damaged, load_registry(registry), NightBudget(posts=3_199), datetime.now(UTC))
    assert [each.entry.bot.name for each, _ in found.left] == ["eli"], "the most is expected of it"

    code, out, _ = command("nightly", "--registry", registry, "--night", "2026-01-01", "--json")
    assert code == 1
    reasons = {each["bot"]: each["reason"] for each in json.loads(out)["bots"]}
    assert str(damaged.local("states/dan.json")) in reasons["dan"]
    assert "no posts are stored" in reasons["fay"]
