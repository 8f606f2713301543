from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.lake.parts import keys_of
from tasks.lake.posts import append, read
from tasks.lake.removal import drop_posts
from tasks.names import Handle
from tasks.records import Kind, Post
from tasks.storage import Storage

ALICE = Handle("alice")


def post(number: int, source: str = "x_api") -> Post:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return Post(str(number), ALICE, created, f"post {number}", "en", Kind.REPLY, source, "{}")


@pytest.fixture
def lake(storage: Storage) -> Storage:
    """Posts 1 to 3 in one file, 4 in another."""
    for day, posts in ((1, [post(1), post(2, "x_archive"), post(3)]), (2, [post(4)])):
        append(storage, ALICE, [posts], scraped_at=datetime(2026, 1, day, tzinfo=UTC))
    return storage


def test_only_the_named_rows_go(lake: Storage):
    before = read(lake, ALICE, with_raw=True)
    assert drop_posts(lake, ALICE, {"1", "9"}) == 1
    after = read(lake, ALICE, with_raw=True)
    assert after.equals(before.slice(1))
    assert drop_posts(lake, ALICE, {"1", "9"}) == 0


def test_a_file_of_which_nothing_is_left_goes(lake: Storage):
    assert drop_posts(lake, ALICE, {"4"}) == 1
    assert len(keys_of(lake, ALICE)) == 1


def test_files_without_such_rows_stay_as_they_are(lake: Storage):
    before = keys_of(lake, ALICE)
    assert drop_posts(lake, ALICE, ()) == drop_posts(lake, ALICE, {"9"}) == 0
    assert keys_of(lake, ALICE) == before


def test_the_rows_of_other_sources_stay(lake: Storage):
    assert drop_posts(lake, ALICE, {"1", "2", "3", "4"}, source="x_api") == 3
    assert read(lake, ALICE)["id"].to_pylist() == ["2"]


def test_a_crash_between_the_two_steps_is_mended_by_doing_it_again(lake: Storage):
    saved = {key: lake.read(key) for key in keys_of(lake, ALICE)}
    drop_posts(lake, ALICE, {"1"})
    for key, data in saved.items():
        lake.write(key, data)  # the old file had not been deleted yet
    assert "1" in read(lake, ALICE)["id"].to_pylist()
    assert drop_posts(lake, ALICE, {"1"}) == 1
    assert read(lake, ALICE)["id"].to_pylist() == ["2", "3", "4"]
