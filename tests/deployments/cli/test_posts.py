"""`huggingtweets posts` and `forget --undo`, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.names import Handle
from tasks.core.settings import settings
from tasks.removal.account_removal import remove_account
from tasks.storage import Storage

Command = Callable[..., tuple[int, str, str]]
ALICE = Handle("alice")


def test_imports_are_listed_and_taken_back(command: Command, tmp_path: Path) -> None:
    day1, day2 = tmp_path / "day1.txt", tmp_path / "day2.txt"
    day1.write_text("one\ntwo\n")
    day2.write_text("one\ntwo\nthree\n")
    assert command("posts", "alice")[:2] == (0, "No posts of @alice are stored.\n")
    for file in (day1, day2):
        assert command("import", file, "--handle", "alice")[0] == 0
    code, out, _ = command("posts", "https://x.com/Alice", "--json")
    listed = json.loads(out)
    assert (code, [(row["file"], row["posts"]) for row in listed]) == (
        0,
        [("day1.txt", 2), ("day2.txt", 3)],
    )
    code, out, _ = command("posts", "alice")
    assert code == 0
    assert listed[0]["import"] in out

    code, out, _ = command("posts", "alice", "--drop", listed[1]["import"], "--json")
    assert code == 0
    assert json.loads(out) == {
        "import": listed[1]["import"],
        "gone": 1,
        "stored": 2,
        "due": [],
    }
    code, out, _ = command("posts", "alice", "--drop", listed[0]["import"])
    assert (code, "2 posts are gone, 0 are stored" in out) == (0, True)
    code, _, err = command("posts", "alice", "--drop", "x")
    assert (code, "there is none" in err) == (2, True)
    code, out, _ = command("import", day1, "--handle", "alice", "--json")
    assert (code, json.loads(out)["new"]) == (0, 2)


def test_a_removal_is_undone_with_its_receipts_number(command: Command, storage: Storage) -> None:
    receipt = remove_account(storage, ALICE, settings(), datetime(2026, 1, 2, tzinfo=UTC))
    assert receipt.key == "receipts/alice-20260102T000000.json"
    code, _, err = command("forget", "alice", "--undo", "20260102T000001")
    assert (code, "no receipt has the number" in err) == (2, True)
    assert command("forget", "alice", "--undo", "20260102T000000", "--yes")[0] == 2
    code, out, _ = command("forget", "alice", "--undo", "20260102T000000", "--json")
    assert code == 0
    assert json.loads(out) == {"handle": "alice", "lifted": receipt.key}


def test_a_removal_of_what_is_not_stored_asks_for_the_name(
    command: Command, tmp_path: Path
) -> None:
    posts = tmp_path / "posts.txt"
    posts.write_text("one\ntwo\n")
    assert command("import", posts, "--handle", "alice")[0] == 0
    code, out, _ = command("forget", "alise")
    assert (code, "Nothing is stored of @alise; did you mean alice?" in out) == (0, True)
    assert "`huggingtweets forget alise --yes` opts the account out" in out
