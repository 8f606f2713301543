"""The real accounts, read from every format and put into the lake."""

from __future__ import annotations

import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core.names import Handle
from tasks.core.records import Kind
from tasks.lake.posts import append, read, state
from tasks.sources.file_sources import open_file_source
from tasks.storage import Storage

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ACCOUNTS = [
    ("drob", "drob.csv", 4174, 1160),
    ("juliasilge", "juliasilge.csv", 13091, 1026),
    ("elonmusk", "elonmusk.txt", 12562, 0),
    ("congressedits", "edsu-archive", 2313, 23),
    ("congressedits", "edsu-archive/tweets.csv", 2313, 23),
]


@pytest.mark.parametrize(("name", "file", "posts", "retweets"), ACCOUNTS)
def test_a_real_account_arrives_whole_and_once(
    storage: Storage, real_posts: Path, name: str, file: str, posts: int, retweets: int
):
    handle = Handle(name)
    source = open_file_source(real_posts / file, handle)
    first = append(storage, handle, source.batches(None), scraped_at=NOW)
    again = append(storage, handle, source.batches(None), scraped_at=datetime.now(UTC))
    table = read(storage, handle)
    kinds = Counter(table["kind"].to_pylist())
    assert (first.new, first.seen) == (posts, posts)
    assert (again.new, again.seen) == (0, posts)
    assert table.num_rows == state(storage, handle).rows == posts
    assert kinds[Kind.RETWEET] == retweets


def test_the_lines_of_plain_text_keep_their_quotes(storage: Storage, real_posts: Path):
    handle = Handle("elonmusk")
    source = open_file_source(real_posts / "elonmusk.txt", handle)
    append(storage, handle, source.batches(None), scraped_at=NOW)
    written = (real_posts / "elonmusk.txt").read_text(encoding="utf-8").splitlines()
    assert read(storage, handle)["text"].to_pylist() == written


def test_dates_are_read_and_the_newest_comes_last(storage: Storage, real_posts: Path):
    handle = Handle("drob")
    source = open_file_source(real_posts / "drob.csv", handle)
    append(storage, handle, source.batches(None), scraped_at=NOW)
    dates = read(storage, handle)["created_at"].to_pylist()
    assert dates == sorted(dates)
    assert dates[-1] == datetime(2017, 1, 3, 2, 26, 59, tzinfo=UTC)


def test_a_zipped_archive_equals_its_folder_and_its_table(
    storage: Storage, real_posts: Path, tmp_path: Path
):
    folder = real_posts / "edsu-archive"
    packed = tmp_path / "archive.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    archived = [post for b in open_file_source(packed, None).batches(None) for post in b]
    from_folder = [post for b in open_file_source(folder, None).batches(None) for post in b]
    table = open_file_source(folder / "tweets.csv", Handle("congressedits"))
    assert archived == from_folder
    assert {post.id: post.created_at for post in archived} == {
        post.id: post.created_at for batch in table.batches(None) for post in batch
    }


def test_an_archive_shows_its_account(real_posts: Path):
    source = open_file_source(real_posts / "edsu-archive", None)
    profile = source.profile()
    assert source.handle == Handle("congressedits")
    assert profile is not None
    assert profile.display_name == "congress-edits"
