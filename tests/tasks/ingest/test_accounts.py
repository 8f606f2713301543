from __future__ import annotations

import pytest
from hypothesis import given

from tasks.core.errors import DamagedState
from tasks.core.names import Handle
from tasks.core.records import Profile
from tasks.ingest.accounts import load_profile, move_watermark, save_profile, watermark
from tasks.storage import Storage
from tests.strategies import fixture_shared_by_examples, texts

ALICE = Handle("alice")


def test_what_is_not_known_is_none(storage: Storage):
    assert load_profile(storage, ALICE) is None
    assert watermark(storage, ALICE, "x_api") is None


@fixture_shared_by_examples
@given(name=texts)
def test_a_profile_comes_back_whatever_the_name(storage: Storage, name: str):
    for profile in (Profile(ALICE, name), Profile(ALICE, name, "https://example.org/a.jpg")):
        save_profile(storage, profile)
        assert load_profile(storage, ALICE) == profile


def test_watermarks_are_kept_by_account_and_source(storage: Storage):
    move_watermark(storage, ALICE, "x_api", "9")
    assert watermark(storage, ALICE, "x_api") == "9"
    assert watermark(storage, ALICE, "bluesky") is None
    assert watermark(storage, Handle("bob"), "x_api") is None


def test_a_watermark_moves_forward_only(storage: Storage):
    for post_id, stands in (("9", "9"), ("10", "10"), ("9", "10"), ("10", "10")):
        move_watermark(storage, ALICE, "x_api", post_id)
        assert watermark(storage, ALICE, "x_api") == stands


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"post_id": "a"}'])
def test_a_damaged_file_is_named(storage: Storage, content: bytes):
    storage.write("profiles/alice.json", content)
    storage.write("watermarks/alice/x_api.json", content)
    with pytest.raises(
        DamagedState, match=r"^@alice: .*profiles/alice\.json is damaged .*: delete"
    ):
        load_profile(storage, ALICE)
    with pytest.raises(DamagedState, match=r"^@alice: .*x_api\.json is damaged .* delete it"):
        watermark(storage, ALICE, "x_api")
