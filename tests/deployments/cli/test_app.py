"""The commands that need no Prefect, as a person types them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.server.automations import HEARTBEAT_TIMEOUT
from tasks.core.records import Evaluation, Outcome, Status
from tasks.registry.outcomes import save_outcome
from tasks.storage import Storage
from tests.sample_posts import write_table

Command = Callable[..., tuple[int, str, str]]


def test_import_curate_and_status(command: Command, tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", posts=300)
    code, out, _ = command("import", table, "--handle", "@Alice", "--dry-run", "--json")
    tried = json.loads(out)
    assert (code, tried["read"], tried["dry_run"]) == (0, 300, True)
    assert not (tmp_path / "storage" / "posts").exists()
    code, out, _ = command("import", table, "--handle", "@Alice", "--json")
    imported = json.loads(out)
    assert code == 0
    row = {"handle": "alice", "source": "table", "read": 300, "new": 300, "stored": 300}
    assert row.items() <= imported.items()
    assert imported["dates"]["understood"] == 300
    assert imported["columns"] == tried["columns"]
    assert len(imported["samples"]) == 3
    code, out, _ = command("import", table, "--handle", "alice")
    assert code == 0
    assert "300" in out

    code, out, err = command("curate", "alice", "--filter", "classic", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["downloaded"] == 300
    assert found["dropped"]["retweet"] == 30
    assert found["downloaded"] == sum(found["dropped"].values()) + found["kept"]
    assert found["characters"] > 0
    assert "alice" in found["warning"]
    assert "alice" in err, "so little text is warned about"
    code, out, _ = command("curate", "alice")
    assert (code, "kept" in out) == (0, True)

    code, out, err = command("status")
    assert "ready" in out, "an account without a bot is shown, too"
    assert "Next: huggingtweets retrain alice" in err


def test_an_account_with_a_similar_name_is_asked_for(command: Command, tmp_path: Path) -> None:
    command("import", write_table(tmp_path / "posts.csv", posts=20), "--handle", "alice")
    code, _, err = command("posts", "alic")
    assert (code, err) == (2, "huggingtweets: @alic: no posts are stored; did you mean alice?\n")
    code, _, err = command("generate", "alic")
    assert (code, "did you mean alice?" in err) == (2, True), "it has posts, if no release"


def test_posts_are_shown_with_the_reason_for_which_they_were_dropped(
    command: Command, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "posts.csv", posts=300)
    command("import", table, "--handle", "alice")
    code, out, _ = command("curate", "alice", "--show", "2")
    assert code == 0
    kept, dropped = out.split("@alice, dropped: retweet")
    assert (kept.count("  · "), dropped.count("  · RT @somebody: ")) == (2, 2)
    code, out, _ = command("curate", "alice", "--dropped", "retweet", "--json")
    rows = json.loads(out)
    assert {row["dropped"] for row in rows} == {"retweet"}
    assert [row["id"] for row in rows[:2]] == ["291", "281"], "the newest first"
    code, _, err = command("curate", "alice", "--dropped", "boring")
    assert code == 2
    assert "the reasons are retweet, short" in err


def test_status_shows_the_last_outcomes(command: Command, storage: Storage) -> None:
    evaluation = Evaluation(3.0, 2.5, 100, ())
    save_outcome(storage, Outcome("a", Status.RELEASED, "fine", "now", evaluation=evaluation))
    save_outcome(storage, Outcome("b", Status.HELD_BACK, "@b: bad \x1b[31m luck", "now"))
    code, out, _ = command("status")
    assert code == 0
    assert "2.500" in out
    assert "\x1b[31m luck" not in out
    code, out, _ = command("status", "--json")
    rows = json.loads(out)
    assert [row["outcome"] for row in rows] == ["released", "held_back"]
    assert [row["held_out_loss"] for row in rows] == [2.5, None]


def test_status_names_damaged_files_and_shows_the_other_bots(
    command: Command, storage: Storage
) -> None:
    for name in ("a", "b"):
        save_outcome(storage, Outcome(name, Status.RELEASED, "fine", "now"))
    storage.write("outcomes/b.json", b"{")
    storage.write("states/c.json", b"\xff")
    storage.write("outcomes/no bot.json", b"{}")
    code, out, _ = command("status", "--json")
    assert code == 0
    reasons = {row["bot"]: row["reason"] for row in json.loads(out)}
    assert list(reasons) == ["a", "b", "c", "no bot"]
    assert reasons["a"] == "fine"
    assert f"{storage.local('outcomes/b.json')} is damaged" in reasons["b"]
    assert f"{storage.local('states/c.json')} is damaged" in reasons["c"]


@pytest.mark.parametrize("handle", ["../../etc", "a" * 21, "", "a/b"])
def test_an_invalid_handle_is_one_line_and_code_2(
    command: Command, handle: str, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "posts.csv", posts=20)
    for words in (["import", str(table), f"--handle={handle or ' '}"], ["curate", handle]):
        code, out, err = command(*words)
        assert (code, out) == (2, "")
        assert "is not a handle" in err
        assert "Traceback" not in err


def test_bad_input_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing")
    for words, said in (
        (["import", str(tmp_path / "odd.csv"), "--handle", "a"], "odd.csv"),
        (["import", str(tmp_path / "broken.zip")], "broken.zip"),
        (["import", str(tmp_path / "none.csv"), "--handle", "a"], "none.csv"),
        (["import", str(write_table(tmp_path / "x.csv", posts=3))], "--handle"),
        (["retrain", "a", "b", "--source", "x.csv"], "HANDLE=PATH"),
        (["import", "a" * 300], "file name too long: check the path"),
        (["sweep", "a", "--space", "a" * 300], "file name too long"),
        (["retrain", "a", "--base", "~no-such-user/x"], "there is no such folder"),
        (["retrain", "a", "--source", "communty_archive"], "did you mean community_archive?"),
        (["--storage", "s3://", "status"], "names no folder or bucket"),
        (["--storage", "~no-such-user/x", "status"], "use a folder"),
        (["retrain", "a", "--source", "b=x.csv"], "HANDLE=PATH"),
    ):
        code, _, err = command(*words)
        assert code == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1, err


def test_a_storage_that_cannot_be_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = command("--storage", tmp_path / "file", "status")
    assert code == 2
    assert "a part of the path is a file" in err


def test_what_is_not_there_is_told(command: Command) -> None:
    code, _, err = command("generate", "alice", "My dream is")
    assert code == 2
    assert "huggingtweets retrain alice" in err


def test_wrong_usage_is_code_2(command: Command) -> None:
    assert command("curate", "alice", "--filter", "none")[0] == 2
    assert command("nothing")[0] == 2


def test_what_is_written_is_for_its_user_only(command: Command, tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", posts=20)
    assert command("import", table, "--handle", "alice")[0] == 0
    written = [path for path in (tmp_path / "storage").rglob("*") if not path.is_symlink()]
    assert any(path.suffix == ".parquet" for path in written)
    assert not [path for path in written if path.stat().st_mode & 0o077]


def test_a_start_that_is_no_text_is_refused(command: Command) -> None:
    code, _, err = command("generate", "bob", "\udcff\udcfe")
    assert (code, err.count("\n")) == (2, 1)
    assert "not valid UTF-8" in err


def test_runs_of_a_terminal_beat_in_time_for_whoever_watches(command: Command) -> None:
    command("status")
    beats = int(os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert beats * 4 < HEARTBEAT_TIMEOUT.total_seconds()
