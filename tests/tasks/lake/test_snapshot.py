from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from tasks.core.errors import NetworkTrouble, OptedOut, StorageUnusable, TransientError
from tasks.lake.compaction import compact
from tasks.lake.data_files import data_file_keys
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import append, dataset_digest, read, rows_stored, state
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out
from tests.servers.s3 import free_port
from tests.tasks.ingest.scrapes_of import ALICE, NOW, copied, post, scrape


@dataclass(frozen=True)
class Behind(Storage):
    """Lists an account's folder as it was before, some times."""

    past: list[list[pafs.FileInfo]] = field(default_factory=list)

    def infos(self, folder: str) -> list[pafs.FileInfo]:
        return self.past.pop() if self.past else super().infos(folder)


class Back(Behind):
    """Is there again when it is asked for a file that could not be read."""

    def exists(self, key: str) -> bool:
        return bool(key)


def behind(storage: Storage, past: list[list[pafs.FileInfo]]) -> Behind:
    return Behind(storage.url, storage.filesystem, storage.path, past)


@pytest.fixture
def lake(storage: Storage) -> Storage:
    for day in range(4):
        scrape(storage, day, post(day))
    return storage


def ids(storage: Storage) -> set[str]:
    return set(read(storage, ALICE)["id"].to_pylist())


def test_a_reader_whose_files_vanish_begins_again(lake: Storage):
    plain = lake.infos("posts/alice")
    compact(lake, ALICE, max_small=1)
    merged = lake.infos("posts/alice")
    scrape(lake, 9, post(9))
    compact(lake, ALICE, max_small=1)
    for past in (plain, merged):
        slow = behind(lake, [past, past])
        assert ids(slow) == {"0", "1", "2", "3", "9"}
        assert not slow.past
        assert rows_stored(behind(lake, [past, past]), ALICE) == 5
        assert scrape(behind(lake, [past, past]), 9, post(3)) == 0


def test_a_listing_during_a_merge_is_not_believed(lake: Storage):
    compact(lake, ALICE, max_small=1)
    # The old files were gone when their turn came, and the merged one had been passed.
    assert ids(behind(lake, [[]])) == {"0", "1", "2", "3"}


def test_a_dataset_that_never_rests_is_worth_another_try_later(lake: Storage):
    past = lake.infos("posts/alice")
    compact(lake, ALICE, max_small=1)
    with pytest.raises(TransientError, match="@alice: its stored posts change faster"):
        read(behind(lake, [past] * 100), ALICE)


def test_the_digest_follows_posts_and_not_files(lake: Storage, tmp_path: Path):
    before = dataset_digest(lake, ALICE)
    compact(lake, ALICE, max_small=1)
    assert dataset_digest(lake, ALICE) == state(lake, ALICE).digest == before
    other = copied(lake, tmp_path / "other")
    scrape(other, 9, post(9))
    drop_posts(lake, ALICE, {"3"})
    assert len({before, dataset_digest(lake, ALICE), dataset_digest(other, ALICE)}) == 3


def test_a_merged_file_that_does_not_hold_its_segments_is_named(lake: Storage):
    compact(lake, ALICE, max_small=1)
    (key,) = data_file_keys(lake, ALICE)
    path = lake.local(key)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(StorageUnusable, match=rf"{path}: damaged \(the number of rows is not that"):
        read(lake, ALICE)
    for broken in (
        b"",
        b"{",
        b"[1]",
        b'[["a", "b", 1, 1]]',
        b'[["a", 99999999999999999999, 1, 1]]',
    ):
        metadata = {**table.schema.metadata, b"huggingtweets.pieces": broken}
        pq.write_table(table.replace_schema_metadata(metadata), path)
        with pytest.raises(StorageUnusable, match="not a file of the lake"):
            dataset_digest(lake, ALICE)


def test_an_account_that_is_forgotten_meanwhile_does_not_come_back(lake: Storage):
    def posts():
        yield [post(9)]
        opt_out(lake, ALICE, NOW)
        lake.delete("posts/alice")

    with pytest.raises(OptedOut):
        append(lake, ALICE, posts(), scraped_at=NOW)
    assert data_file_keys(lake, ALICE) == []


def test_a_store_that_is_away_is_not_a_damaged_file(lake: Storage):
    nobody = pafs.S3FileSystem(
        access_key="a",
        secret_key="b",
        region="us-east-1",
        endpoint_override=f"http://127.0.0.1:{free_port()}",
        retry_strategy=pafs.AwsDefaultS3RetryStrategy(1),
    )
    past = lake.infos("posts/alice")
    for listed in ([], [past, past]):
        with pytest.raises(NetworkTrouble, match="s3://b: the object store does not answer"):
            read(Back("s3://b", nobody, "b", listed), ALICE)
