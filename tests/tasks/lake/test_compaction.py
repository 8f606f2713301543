from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.compaction import MAX_SMALL_FILES, SMALL_BYTES, compact
from tasks.lake.data_files import FOLDER, GROUP_ROWS, data_file_keys, generation_of
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import dataset_digest, read, rows_stored, state
from tasks.storage import Storage, open_storage
from tests.servers.s3 import KEYS, running_s3
from tests.tasks.ingest.scrapes_of import ALICE, Died, copied, mortal, post, scrape


@pytest.fixture
def nights(storage: Storage) -> Storage:
    """Six scrapes, each of two new posts and an edited one."""
    for day in range(6):
        scrape(storage, day, post(2 * day), post(2 * day + 1), post(0, f"edit {day}"))
    return storage


def seen(storage: Storage) -> tuple[object, ...]:
    """All that anybody can see of a lake."""
    table = read(storage, ALICE, with_raw=True).to_pydict()
    return table, state(storage, ALICE), dataset_digest(storage, ALICE), rows_stored(storage, ALICE)


def others(storage: Storage) -> list[str]:
    """The files of the account that hold no posts."""
    return sorted(set(storage.keys(f"{FOLDER}/{ALICE}")) - set(data_file_keys(storage, ALICE)))


def test_a_year_of_nights_leaves_few_files(storage: Storage):
    for day in range(3 * MAX_SMALL_FILES):
        assert scrape(storage, day, post(day)) == 1
        assert len(data_file_keys(storage, ALICE)) <= MAX_SMALL_FILES + 1
    assert read(storage, ALICE).num_rows == rows_stored(storage, ALICE) == 3 * MAX_SMALL_FILES
    assert scrape(storage, 99, post(7)) == 0, "what is merged is known"


def test_merging_changes_nothing_that_anybody_sees(nights: Storage):
    before = seen(nights)
    compact(nights, ALICE, max_small=6)
    assert len(data_file_keys(nights, ALICE)) == 6
    compact(nights, ALICE, max_small=5)
    assert len(data_file_keys(nights, ALICE)) == 1
    assert seen(nights) == before
    (key,) = data_file_keys(nights, ALICE)
    compact(nights, ALICE)
    assert data_file_keys(nights, ALICE) == [key], "there is nothing to do a second time"


def test_large_files_are_left_alone(nights: Storage):
    noise = random.Random(0).randbytes(SMALL_BYTES).hex()
    scrape(nights, 9, post(99, raw=noise))
    before = set(data_file_keys(nights, ALICE))
    compact(nights, ALICE, max_small=1)
    after = set(data_file_keys(nights, ALICE))
    assert [generation_of(key) for key in sorted(after - before)] == [1]
    assert len(before & after) == 1


def test_row_groups_of_merged_files_are_bounded(storage: Storage):
    half = GROUP_ROWS // 2 + 1
    for day in range(3):
        scrape(storage, day, *(post(day * half + n) for n in range(half)))
    compact(storage, ALICE, max_small=1)
    (key,) = data_file_keys(storage, ALICE)
    groups = pq.ParquetFile(storage.local(key)).metadata
    rows = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sum(rows) == 3 * half
    assert max(rows) <= GROUP_ROWS
    assert read(storage, ALICE).num_rows == 3 * half


def test_posts_are_taken_out_of_merged_files(nights: Storage):
    plain = copied(nights, Path(nights.path).with_name("plain"))
    compact(nights, ALICE, max_small=1)
    for lake in (nights, plain):
        assert drop_posts(lake, ALICE, {"3", "4"}) == 2
    assert seen(nights) == seen(plain)
    for path in Path(nights.path).rglob("*.parquet"):
        assert "3" not in read_ids(path), "nor do its bytes stay"


def read_ids(path: Path) -> set[str]:
    return set(pq.read_table(path)["id"].to_pylist())


@dataclass(frozen=True)
class Step:
    """What happens to the lake: posts come, posts go, or files are merged."""

    posts: tuple[tuple[int, str, str], ...] = ()
    dropped: frozenset[str] = frozenset()
    source: str | None = None
    max_small: int | None = None


sources = st.sampled_from(["x_api", "x_archive"])
versions = st.tuples(st.integers(1, 6), st.sampled_from("ab"), sources)
steps = st.one_of(
    st.builds(Step, posts=st.lists(versions, max_size=4).map(tuple)),
    st.builds(
        Step,
        dropped=st.frozensets(st.integers(1, 6).map(str), min_size=1),
        source=st.none() | sources,
    ),
    st.builds(Step, max_small=st.integers(0, 3)),
)


def take(storage: Storage, number: int, step: Step) -> int:
    posts = [post(n, text, source) for n, text, source in step.posts]
    # Clocks differ, so that later scrapes may bear earlier times.
    day = number * 7 % 16
    return scrape(storage, day, *posts) + drop_posts(
        storage, ALICE, step.dropped, source=step.source
    )


@given(sequence=st.lists(steps, max_size=14))
def test_scrapes_drops_and_merges_read_as_without_merges(sequence: list[Step]):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        merged, plain = open_storage(one), open_storage(other)
        for number, step in enumerate(sequence):
            assert take(merged, number, step) == take(plain, number, step)
            if step.max_small is not None:
                compact(merged, ALICE, max_small=step.max_small)
            assert seen(merged) == seen(plain)


def test_a_merge_that_dies_anywhere_is_harmless(nights: Storage, tmp_path: Path):
    before = seen(nights)
    for changes in count():
        lake = copied(nights, tmp_path / f"died-{changes}")
        try:
            compact(mortal(lake, changes), ALICE, max_small=2)
        except Died:
            assert seen(lake) == before
            compact(lake, ALICE, max_small=2)
        else:
            break
        assert seen(lake) == before
        assert len(data_file_keys(lake, ALICE)) == 1
    assert changes == 7, "one file comes and six go"


def test_a_removal_that_dies_anywhere_is_finished_by_the_same_call(nights: Storage, tmp_path: Path):
    plain = copied(nights, tmp_path / "plain")
    drop_posts(plain, ALICE, {"3", "4", "5"})
    compact(nights, ALICE, max_small=1)
    for changes in count():
        lake = copied(nights, tmp_path / f"died-{changes}")
        try:
            drop_posts(mortal(lake, changes), ALICE, {"3", "4", "5"})
        except Died:
            drop_posts(lake, ALICE, {"3", "4", "5"})
        else:
            break
        assert seen(lake) == seen(plain)
        assert not any({"3", "4", "5"} & read_ids(p) for p in Path(lake.path).rglob("*.parquet"))
    assert changes > 4


def test_a_post_that_was_dropped_does_not_return_with_a_merge_that_was_under_way(
    nights: Storage, tmp_path: Path
):
    slow = copied(nights, tmp_path / "slow")
    compact(slow, ALICE, max_small=1)
    drop_posts(nights, ALICE, {"3"})
    before = seen(nights)
    (key,) = data_file_keys(slow, ALICE)
    nights.write(key, slow.read(key))
    assert seen(nights) == before
    scrape(nights, 9, post(50))
    assert all("3" not in read_ids(path) for path in Path(nights.path).rglob("*.parquet"))


def test_merges_of_different_files_at_a_time_count_each_post_once(nights: Storage, tmp_path: Path):
    before = seen(nights)
    files = data_file_keys(nights, ALICE)
    workers = [copied(nights, tmp_path / f"worker-{number}") for number in range(2)]
    for lake, left_out in zip(workers, (files[0], files[5]), strict=True):
        lake.delete(left_out)
        compact(lake, ALICE, max_small=1)
        (key,) = data_file_keys(lake, ALICE)
        nights.write(key, lake.read(key))
    assert seen(nights) == before
    compact(nights, ALICE)
    assert seen(nights) == before
    assert len(data_file_keys(nights, ALICE)) == 2, "neither holds all that the other holds"
    compact(nights, ALICE, max_small=1)
    assert seen(nights) == before
    assert len(data_file_keys(nights, ALICE)) == 1


def test_marks_go_when_nothing_can_need_them_any_more(nights: Storage):
    drop_posts(nights, ALICE, {"3"})
    (tombstone,) = others(nights)
    scrape(nights, 9, post(50))
    assert others(nights) == [tombstone]
    before = seen(nights)
    month = time.time() - 31 * 24 * 60 * 60
    os.utime(nights.local(tombstone), (month, month))
    compact(nights, ALICE)
    assert others(nights) == []
    assert seen(nights) == before


def test_a_mark_stays_while_a_file_holds_what_it_hides(nights: Storage, tmp_path: Path):
    slow = copied(nights, tmp_path / "slow")
    compact(slow, ALICE, max_small=1)
    drop_posts(nights, ALICE, {"3"})
    (tombstone,), before = others(nights), seen(nights)
    month = time.time() - 31 * 24 * 60 * 60
    os.utime(nights.local(tombstone), (month, month))
    (key,) = data_file_keys(slow, ALICE)
    nights.write(key, slow.read(key))
    for left in ([tombstone], []):
        compact(nights, ALICE)
        assert others(nights) == left
        assert seen(nights) == before


def test_the_very_same_scrape_after_a_removal_is_read(nights: Storage):
    before = seen(nights)
    assert drop_posts(nights, ALICE, {"10", "11", "0"}) == 9
    scrape(nights, 5, post(10), post(11), post(0, "edit 5"))
    assert {"10", "11", "0"} <= set(read(nights, ALICE)["id"].to_pylist())
    assert seen(nights) != before


def test_workers_at_the_same_time_lose_nothing_and_bring_nothing_back(storage: Storage):
    scraped: set[str] = set()
    gone: set[str] = set()

    def write(first: int) -> None:
        for day in range(15):
            numbers = [first + 3 * day + n for n in range(3)]
            scrape(storage, day, *(post(n) for n in numbers))
            scraped.update(map(str, numbers))
            compact(storage, ALICE, max_small=2)

    def drop() -> None:
        for _ in range(12):
            some = {i for i in list(scraped) if int(i) % 5 == 0}
            dropping.update(some)
            drop_posts(storage, ALICE, some)
            gone.update(some)

    def look() -> None:
        for _ in range(40):
            before, away = set(scraped), set(gone)
            ids = read(storage, ALICE)["id"].to_pylist()
            assert len(ids) == len(set(ids))
            assert before - dropping <= set(ids)
            assert not away & set(ids)

    dropping: set[str] = set()
    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(write, 1_000), pool.submit(write, 2_000), pool.submit(drop)]
        work += [pool.submit(drop), pool.submit(look), pool.submit(look)]
        for each in work:
            each.result()
    drop_posts(storage, ALICE, dropping)
    assert set(read(storage, ALICE)["id"].to_pylist()) == scraped - dropping
    compact(storage, ALICE, max_small=0)
    assert len(data_file_keys(storage, ALICE)) == 1
    assert rows_stored(storage, ALICE) >= len(scraped - dropping)


def test_an_object_store_is_compacted_as_well(monkeypatch: pytest.MonkeyPatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with running_s3() as server:
        for changes in (1, 3, 9):
            lake = open_storage(server.url(f"lake-{changes}"))
            for day in range(3):
                scrape(lake, day, post(day), post(9, f"edit {day}"))
            before = seen(lake)
            try:
                compact(mortal(lake, changes), ALICE, max_small=1)
            except Died:
                assert seen(lake) == before
            compact(lake, ALICE, max_small=1)
            assert seen(lake) == before
            assert len(data_file_keys(lake, ALICE)) == 1
            assert drop_posts(lake, ALICE, {"1"}) == 1
            assert set(read(lake, ALICE)["id"].to_pylist()) == {"0", "2", "9"}
            assert scrape(lake, 3, post(1)) == 1
            assert read(lake, ALICE).num_rows == 4


def test_rows_are_stored_though_the_disk_is_too_full_to_merge_their_file(
    full_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    free_space(full_disk, 1_000_000)
    storage = open_storage(str(full_disk / "storage"))
    for day in range(MAX_SMALL_FILES):
        scrape(storage, day, post(day, raw=noise(day)))
    free_space(full_disk, 40_000)
    assert scrape(storage, 50, post(50, raw=noise(50))) == 1
    assert "the posts are stored, but their files are not merged yet" in caplog.text
    assert "no space is left" in caplog.text
    assert len(data_file_keys(storage, ALICE)) == MAX_SMALL_FILES + 1
    assert read(storage, ALICE).num_rows == MAX_SMALL_FILES + 1
    assert not list(full_disk.rglob(".draft*"))

    assert scrape(storage, 51, post(50, raw=noise(50))) == 0, "it is known"
    free_space(full_disk, 1_000_000)
    assert scrape(storage, 52, post(52)) == 1
    assert len(data_file_keys(storage, ALICE)) == 1
    assert read(storage, ALICE).num_rows == MAX_SMALL_FILES + 2


def noise(seed: int) -> str:
    """4,000 characters that compress to half of that."""
    return random.Random(seed).randbytes(2_000).hex()


def free_space(disk: Path, free: int) -> None:
    """Leave so many bytes free on a mounted disk."""
    found = os.statvfs(disk)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + free}", str(disk)], check=True)
