"""Commands about bots that have releases: listed, put in force, deleted, shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.names import Bot
from tasks.core.records import Outcome, Profile, Status
from tasks.core.settings import settings
from tasks.ingest.accounts import save_profile
from tasks.operations.retrain_record import INPUTS, unchanged_outcome
from tasks.publishing.releases import latest_release, publish_locally
from tasks.registry.nights import save_plan, save_summary
from tasks.registry.outcomes import load_outcome, save_outcome
from tasks.storage import Storage
from tests.sample_posts import write_table
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents

Command = Callable[..., tuple[int, str, str]]
ALICE = Bot.parse("alice")
REVISIONS = ["20260104-01234567", "20260103-01234567", "20260102-01234567"]


@pytest.fixture
def released(storage: Storage, command: Command, tmp_path: Path) -> Storage:
    """Posts of @alice, three releases of her bot, and the outcome of the last one."""
    command("import", write_table(tmp_path / "a.csv", posts=50), "--handle", "alice")
    with storage.new_folder(CHECKPOINT) as folder:
        for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
            (folder / name).write_bytes(data)
    for days, revision in enumerate(reversed(REVISIONS)):
        contents = make_contents()
        made = contents.created_at + timedelta(days=days)
        evaluation = replace(contents.evaluation, bot_loss=3.5 - days / 10)
        contents = replace(contents, revision=revision, created_at=made, evaluation=evaluation)
        release = publish_locally(storage, CHECKPOINT, contents, fonts=())
    outcome = Outcome(
        "alice", Status.RELEASED, "fine", made.isoformat(), release, contents.corpus, evaluation,
        {INPUTS: "the same"},
    )  # fmt: skip
    save_outcome(storage, outcome)
    return storage


def in_force(storage: Storage) -> str | None:
    release = latest_release(storage, ALICE)
    return release.revision if release else None


def test_releases_are_listed_the_newest_first(command: Command, released: Storage) -> None:
    code, out, _ = command("releases", "alice", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["revision"] for row in rows] == REVISIONS
    assert [row["in_force"] for row in rows] == [True, False, False]
    assert [row["held_out_loss"] for row in rows] == [3.3, 3.4, 3.5]
    code, out, _ = command("releases", "alice")
    assert out.count("in force") == 1


def test_a_rollback_holds_until_there_are_new_posts(
    command: Command, released: Storage, tmp_path: Path
) -> None:
    assert command("rollback", "alice")[0] == 0
    assert in_force(released) == REVISIONS[1]
    code, _, _ = command("rollback", "alice", "20260102")
    assert (code, in_force(released)) == (0, REVISIONS[2])
    assert "pinned" in command("releases", "alice")[1]
    assert json.loads(command("status", "alice", "--json")[1])["pinned"] is True

    pinned = unchanged_outcome(ALICE, "other settings", push=False)
    assert pinned is not None
    assert "pinned to release 20260102" in pinned.reason
    command("import", write_table(tmp_path / "b.csv", posts=60, seed=1), "--handle", "alice")
    assert unchanged_outcome(ALICE, "other settings", push=False) is None, "there are new posts"


def test_a_pin_is_ended_by_hand_and_by_the_next_release(
    command: Command, released: Storage
) -> None:
    assert command("rollback", "alice", "--unpin")[0] == 2, "nothing is pinned"
    command("rollback", "alice")
    assert command("rollback", "alice", "--unpin")[0] == 0
    assert in_force(released) == REVISIONS[0]
    command("rollback", "alice")
    newer = replace(make_contents(), revision="20260105-01234567")
    publish_locally(released, CHECKPOINT, newer, fonts=(), keep=9)
    assert not released.exists("releases/alice/pinned.json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["alice", "2025"], "is not kept; there are: 20260104"),
        (["alice", "2026"], "is the beginning of several"),
        (["alice", "20260102", "--unpin"], "leave the revision out"),
        (["alicia"], "did you mean alice?"),
    ],
)
def test_a_wrong_rollback_changes_nothing(
    command: Command, released: Storage, words: list[str], said: str
) -> None:
    code, out, err = command("rollback", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert in_force(released) == REVISIONS[0]


def test_a_damaged_release_is_not_put_in_force(command: Command, released: Storage) -> None:
    released.delete(f"releases/alice/{REVISIONS[1]}/model.safetensors")
    code, _, err = command("rollback", "alice")
    assert code == 2
    assert "files of release 20260103-01234567 are missing" in err


def test_a_card_is_made_anew_and_the_weights_stay(
    command: Command, released: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = released.local(f"releases/alice/{REVISIONS[0]}")
    weights, manifest = (folder / "model.safetensors").stat(), folder / "manifest.json"
    before, card = json.loads(manifest.read_text()), (folder / "README.md").read_text()
    save_profile(released, Profile(ALICE.handles[0], "Alice Liddell"))
    monkeypatch.setenv("HUGGINGTWEETS_CONTACT", "https://example.org/removal")
    settings.cache_clear()
    command("rollback", "alice", REVISIONS[1])
    command("rollback", "alice", REVISIONS[0])
    code, out, err = command("refresh", "alice", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["revision"], found["in_force"], found["pinned"]) == (REVISIONS[0], True, True)
    assert (folder / "model.safetensors").stat().st_ino == weights.st_ino
    new = (folder / "README.md").read_text()
    assert "Alice Liddell" in new
    assert "https://example.org/removal" in new
    assert new != card
    after = json.loads(manifest.read_text())
    assert {key for key in after if after[key] != before[key]} == {"files"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["training"]["history"][0]["tokens"] == 1000


def test_a_release_of_another_corpus_is_not_refreshed(command: Command, released: Storage) -> None:
    save_outcome(released, Outcome("alice", Status.FAILED, "no luck", "2026-01-05"))
    code, _, err = command("refresh", "alice")
    assert code == 2
    assert "is not of release 20260104" in err


def test_a_bot_is_deleted_and_its_posts_stay(command: Command, released: Storage) -> None:
    code, out, _ = command("delete", "alice")
    assert code == 0
    assert "Nothing is deleted yet" in out
    assert in_force(released)
    Path("bots.yaml").write_text("bots:\n- handles: [alice]\n")
    code, _, err = command("delete", "alice", "--yes")
    assert code == 2
    assert "@alice is listed in bots.yaml" in err
    Path("bots.yaml").unlink()
    code, out, _ = command("delete", "alice", "--yes", "--json")
    assert json.loads(out)["keys"] == ["checkpoints/alice", "outcomes/alice.json", "releases/alice"]
    assert released.keys("posts/alice")
    assert load_outcome(released, ALICE) is None
    code, out, _ = command("status")
    assert "released" not in out


def test_everything_of_a_bot_is_shown(command: Command, released: Storage) -> None:
    began = {"began": "2026-01-04T02:00:00+00:00", "bots": [{"bot": "alice"}], "before": {}}
    bots = [{"bot": "alice", "outcome": "held back", "reason": "@alice: worse"}]
    ended = {"night": "2026-01-04", **began, "ended": "2026-01-04T03:00:00+00:00", "left": []}
    save_plan(released, "2026-01-04", began | {"left": []})
    save_summary(released, "2026-01-04", ended | {"bots": bots, "counts": {"held back": 1}})
    code, out, _ = command("status", "alice", "--json")
    found = json.loads(out)
    assert code == 0
    assert Path(found["picture"]).is_file()
    assert found["counts"]["alice"]["kept"] == 2272
    assert found["visibility"] == "private"
    assert [each["revision"] for each in found["releases"]] == REVISIONS
    assert found["nights"] == [{"night": "2026-01-04", "outcome": "held_back", "reason": "worse"}]
    code, out, _ = command("status", "alice")
    assert "predictions.png" in out
    assert "2026-01-04: held back" in out
    assert "visibility" in out
    code, out, _ = command("nights", "--json")
    assert json.loads(out)[0]["counts"] == {"held_back": 1}
    code, out, _ = command("nights", "2026-01-04")
    assert "held back" in out
    assert command("nights", "2026-01-05")[0] == 2


def test_status_fits_eighty_columns(
    command: Command, released: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_outcome(released, Outcome("bob-carol", Status.FAILED, "no luck " * 30, "2026-01-01"))
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = command("status")
    table, _, reasons = out.partition("\n\n")
    assert code == 0
    assert all(len(line) <= 80 for line in table.splitlines())
    assert table.splitlines()[1].split()[:2] == ["@alice", "released"]
    assert reasons.startswith("@bob-carol: no luck")


def test_a_dry_run_says_what_is_due_and_writes_nothing(command: Command, released: Storage) -> None:
    Path("bots.yaml").write_text("bots:\n- handles: [alice]\n- {handles: [bob], source: x_api}\n")
    before = released.files("nights")
    code, out, _ = command("nightly", "--dry-run", "--posts", "0", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["bots"], len(found["due"])) == (2, 2)
    left = {each["bot"]: each["left"] for each in found["due"]}
    assert left["alice"] is None
    assert "0 posts" in left["bob"]
    assert released.files("nights") == before
    assert "2 due" in command("nightly", "--dry-run")[1]


def test_a_second_night_of_a_date_says_how_to_start_another(
    command: Command, released: Storage
) -> None:
    Path("bots.yaml").write_text("bots: []\n")
    night = f"{datetime.now(UTC):%Y-%m-%d}"
    summary = {"night": night, "bots": [], "counts": {}, "left": [], "began": "", "ended": ""}
    save_summary(released, night, summary)
    code, _, err = command("nightly")
    assert code == 0
    assert f"--night {night}-2" in err
