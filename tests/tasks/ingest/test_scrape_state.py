from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.core.errors import DamagedState
from tasks.core.names import Handle
from tasks.core.records import Account, Profile
from tasks.ingest.scrape_state import (
    Position,
    delete_position,
    load_account,
    load_position,
    load_stop,
    save_account,
    save_position,
    save_stop,
)
from tasks.storage import Storage

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_is_not_known_is_none(storage: Storage):
    assert load_position(storage, ALICE, "x_api") is None
    assert load_account(storage, ALICE, "x_api") is None
    assert load_stop(storage, "night", "x_api") is None
    delete_position(storage, ALICE, "x_api")


@pytest.mark.parametrize("since_id", [None, "5"])
def test_a_position_comes_back_until_it_is_forgotten(storage: Storage, since_id: str | None):
    position = Position(since_id, "90", "40", 50)
    save_position(storage, ALICE, "x_api", position)
    assert load_position(storage, ALICE, "x_api") == position
    assert load_position(storage, Handle("bob"), "x_api") is None
    delete_position(storage, ALICE, "x_api")
    assert load_position(storage, ALICE, "x_api") is None


@pytest.mark.parametrize("posts", [None, 12])
def test_an_account_comes_back(storage: Storage, posts: int | None):
    account = Account("7", Profile(ALICE, "Alice \ud83d 💙"), False, posts, NOW)
    save_account(storage, ALICE, "x_api", account)
    found = load_account(storage, ALICE, "x_api")
    assert found is not None
    assert (found.id, found.posts, found.seen_at) == ("7", posts, NOW)
    assert found.profile.handle == ALICE


def test_a_stop_is_of_one_run_and_one_source(storage: Storage):
    save_stop(storage, "../night/1", "x_api", "usage cap", NOW)
    assert load_stop(storage, "../night/1", "x_api") == "usage cap"
    assert load_stop(storage, "night 2", "x_api") is None
    assert load_stop(storage, "../night/1", "bluesky") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 7}', b"\xff", b'{"until_id": []}'])
def test_a_damaged_file_is_named(storage: Storage, content: bytes):
    storage.write("positions/alice/x_api.json", content)
    storage.write("accounts/alice/x_api.json", content)
    with pytest.raises(DamagedState, match=r"^@alice: .*positions/alice/x_api\.json is damaged"):
        load_position(storage, ALICE, "x_api")
    with pytest.raises(DamagedState, match=r"^@alice: .*accounts/alice/x_api\.json is damaged"):
        load_account(storage, ALICE, "x_api")


def test_a_damaged_stop_names_the_source(storage: Storage):
    save_stop(storage, "night", "x_api", "usage cap", NOW)
    (key,) = storage.files("stops")
    storage.write(key, b"{")
    with pytest.raises(DamagedState, match=r"^x_api: .*stops/x_api/.* is damaged .* delete it"):
        load_stop(storage, "night", "x_api")
