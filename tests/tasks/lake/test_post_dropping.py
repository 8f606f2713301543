from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.compaction import compact
from tasks.lake.data_files import data_file_keys
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import append, read, rows_stored
from tasks.storage import Storage
from tests.tasks.ingest.scrapes_of import Died, mortal

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
    assert len(data_file_keys(lake, ALICE)) == 1


def test_files_without_such_rows_stay_as_they_are(lake: Storage):
    before = data_file_keys(lake, ALICE)
    assert drop_posts(lake, ALICE, ()) == drop_posts(lake, ALICE, {"9"}) == 0
    assert data_file_keys(lake, ALICE) == before


def test_the_rows_of_other_sources_stay(lake: Storage):
    assert drop_posts(lake, ALICE, {"1", "2", "3", "4"}, source="x_api") == 3
    assert read(lake, ALICE)["id"].to_pylist() == ["2"]


def test_a_crash_before_the_mark_is_mended_by_doing_it_again(lake: Storage):
    with pytest.raises(Died):
        drop_posts(mortal(lake, 1), ALICE, {"1"})
    assert len(data_file_keys(lake, ALICE)) == 3, "the segment without the post is there"
    assert "1" in read(lake, ALICE)["id"].to_pylist()
    assert drop_posts(lake, ALICE, {"1"}) == 1
    assert read(lake, ALICE)["id"].to_pylist() == ["2", "3", "4"]
    assert len(data_file_keys(lake, ALICE)) == 2


def test_a_crash_after_the_mark_leaves_bytes_that_nobody_reads_and_the_next_write_removes(
    lake: Storage,
):
    with pytest.raises(Died):
        drop_posts(mortal(lake, 2), ALICE, {"1"})
    assert read(lake, ALICE)["id"].to_pylist() == ["2", "3", "4"]
    assert len(data_file_keys(lake, ALICE)) == 3
    append(lake, ALICE, [[post(5)]], scraped_at=datetime(2026, 1, 3, tzinfo=UTC))
    assert len(data_file_keys(lake, ALICE)) == 3, "one came, one went"


@dataclass(frozen=True)
class Late(Storage):
    """Does something between the look for a tombstone and what follows."""

    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def install_file(self, draft: Path, key: str) -> None:
        super().install_file(draft, key)
        if self.meanwhile:
            self.meanwhile.pop()()


def late(storage: Storage, meanwhile: Callable[[], object]) -> Late:
    return Late(storage.url, storage.filesystem, storage.path, [meanwhile])


def test_two_removals_from_one_segment_at_a_time_take_both_posts(lake: Storage):
    slow = late(lake, lambda: drop_posts(lake, ALICE, {"1"}))
    assert drop_posts(slow, ALICE, {"3"}) == 1
    assert read(lake, ALICE)["id"].to_pylist() == ["2", "4"]
    assert rows_stored(lake, ALICE) == 2


def test_two_removals_of_the_same_post_at_a_time_keep_the_others(lake: Storage):
    slow = late(lake, lambda: drop_posts(lake, ALICE, {"1"}))
    assert drop_posts(slow, ALICE, {"1"}) == 0
    assert read(lake, ALICE)["id"].to_pylist() == ["2", "3", "4"]
    assert rows_stored(lake, ALICE) == 3


def test_a_removal_goes_on_where_the_segment_was_merged_meanwhile(lake: Storage):
    append(lake, ALICE, [[post(5), post(6)]], scraped_at=datetime(2026, 1, 3, tzinfo=UTC))
    slow = late(lake, lambda: compact(lake, ALICE, max_small=1))
    assert drop_posts(slow, ALICE, {"1", "5"}) == 2
    assert read(lake, ALICE)["id"].to_pylist() == ["2", "3", "4", "6"]
