from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import StorageUnusable, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.posts import Appended, append, handles, read, state
from tasks.lake.schema import SCHEMA, WITHOUT_RAW
from tasks.storage import Storage, open_storage
from tests.strategies import posts as any_posts

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def post(post_id: object, text: str = "hi", day: int | None = None, **fields: object) -> Post:
    created_at = None if day is None else datetime(2020, 1, day, tzinfo=UTC)
    known = {"lang": None, "kind": Kind.POST, "source": "table", "raw": "{}"} | fields
    return Post(str(post_id), ALICE, created_at, text, **known)


def store(storage: Storage, *posts: Post, at: datetime = NOW) -> Appended:
    return append(storage, ALICE, [list(posts)], scraped_at=at)


def ids(storage: Storage) -> list[str]:
    return read(storage, ALICE)["id"].to_pylist()


def files(storage: Storage) -> list[Path]:
    return sorted(path for path in Path(storage.path).rglob("*") if path.is_file())


def test_a_post_comes_back_as_it_was_stored(storage: Storage):
    given_post = post(
        1, "émoji 😀\0", 3, lang="en", kind=Kind.REPLY, source="x_archive", raw='{"a": 1}'
    )
    store(storage, given_post)
    assert read(storage, ALICE, with_raw=True).to_pylist() == [
        {
            "id": "1",
            "handle": "alice",
            "created_at": datetime(2020, 1, 3, tzinfo=UTC),
            "text": "émoji 😀\0",
            "lang": "en",
            "kind": "reply",
            "source": "x_archive",
            "scraped_at": NOW,
            "raw": '{"a": 1}',
        }
    ]
    assert read(storage, ALICE).column_names == WITHOUT_RAW


def test_an_empty_lake_has_the_columns_and_no_rows(storage: Storage):
    assert read(storage, ALICE, with_raw=True).schema.equals(SCHEMA)
    assert read(storage, ALICE).num_rows == 0
    assert (state(storage, ALICE).rows, state(storage, ALICE).sources) == (0, ())
    assert handles(storage) == []


def test_an_import_done_twice_adds_nothing_and_writes_no_file(storage: Storage):
    assert store(storage, post(1), post(2)) == Appended(new=2, seen=2)
    before = files(storage)
    assert store(storage, post(1), post(2), at=LATER) == Appended(new=0, seen=2)
    assert files(storage) == before


def test_an_append_of_nothing_writes_nothing(storage: Storage):
    assert append(storage, ALICE, [], scraped_at=NOW) == Appended(0, 0)
    assert files(storage) == []


def test_only_what_is_new_is_written(storage: Storage):
    store(storage, post(1), post(2))
    assert store(storage, post(2), post(3), at=LATER) == Appended(new=1, seen=2)
    assert ids(storage) == ["1", "2", "3"]


def test_where_posts_are_edited_in_place_the_latest_version_counts(storage: Storage):
    for at, text in enumerate(["first", "second one", "first"]):
        given = post(1, text, source="bluesky")
        assert store(storage, given, at=NOW + timedelta(hours=at)).new == 1
        assert store(storage, given, at=LATER).new == 0
        assert read(storage, ALICE)["text"].to_pylist() == [text]
    assert state(storage, ALICE).rows == 1


def test_of_one_append_the_richest_version_counts(storage: Storage):
    twice = (post(1, "cut"), post(1, "whole"), post(1, "cut"), post(2))
    assert store(storage, *twice) == Appended(new=2, seen=4)
    assert store(storage, *twice, at=LATER) == Appended(new=0, seen=4)
    assert read(storage, ALICE)["text"].to_pylist() == ["whole", "hi"]


def test_the_oldest_comes_first(storage: Storage):
    store(storage, post(5, day=9), post(10, day=2), post(9, day=2), post(3))
    store(storage, post(8, day=1), post(1), post("abc-10"), post("abc-9"), at=LATER)
    assert ids(storage) == ["3", "1", "abc-10", "abc-9", "8", "9", "10", "5"]


def test_a_source_that_fails_leaves_nothing(storage: Storage):
    store(storage, post(1))
    before = files(storage)

    def broken() -> Iterator[list[Post]]:
        yield [post(2)]
        raise UnreadableSource("a.csv: line 2 is no CSV")

    with pytest.raises(UnreadableSource):
        append(storage, ALICE, broken(), scraped_at=LATER)
    assert files(storage) == before


def test_lone_surrogates_do_not_stop_an_import(storage: Storage):
    raw = '{"text": "a\ud800"}'
    store(storage, post("1\udfff", "a\ud800", lang="e\ud800", raw=raw), post(2, "b\udc00"))
    table = read(storage, ALICE, with_raw=True)
    assert table["text"].to_pylist() == ["a\ufffd", "b\ufffd"]
    assert table["lang"].to_pylist() == ["e\ufffd", None]
    assert json.loads(table["raw"][0].as_py()) == {"text": "a\ud800"}
    assert store(storage, post("1\udfff", "a\ud800"), post(2, "b\udc00"), at=LATER).new == 0


def test_the_state_changes_if_and_only_if_the_dataset_does(storage: Storage):
    store(storage, post(1), post(2, source="x_archive"))
    first = state(storage, ALICE)
    assert (first.handle, first.rows, first.sources) == (ALICE, 2, ("table", "x_archive"))
    store(storage, post(1), at=LATER)
    assert state(storage, ALICE) == first
    store(storage, post(1, "edited"), at=LATER)
    assert state(storage, ALICE).digest != first.digest
    assert state(storage, ALICE).rows == 2


def test_handles_are_those_with_posts(storage: Storage):
    store(storage, post(1))
    for name in ("posts/bob", "posts/Not A Handle", "posts/carol"):
        storage.local(name).mkdir()
    storage.write("posts/carol/notes.txt", b"mine")
    assert handles(storage) == [ALICE]


def test_a_storage_without_permission_is_named(storage: Storage):
    Path(storage.path, "posts").write_text("in the way")
    with pytest.raises(StorageUnusable, match="a part of the path is a file"):
        store(storage, post(1))


unlike = st.lists(any_posts(ALICE), max_size=12, unique_by=lambda found: found.id)


@given(posts=unlike, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_batches_are_as_good_as_the_whole(posts: list[Post], cuts: list[int]):
    edges = [0, *sorted(cuts), len(posts)]
    batches = [posts[a:b] for a, b in pairwise(edges)]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole, pieces = open_storage(one), open_storage(other)
        counted = append(whole, ALICE, [posts], scraped_at=NOW)
        assert append(pieces, ALICE, batches, scraped_at=NOW) == counted
        assert read(pieces, ALICE, with_raw=True).equals(read(whole, ALICE, with_raw=True))
        assert counted.new == state(whole, ALICE).rows == len(posts)


@given(posts=unlike, data=st.data())
def test_the_order_of_appends_does_not_matter(posts: list[Post], data: st.DataObject):
    middle = data.draw(st.integers(0, len(posts)))
    scrapes = [(NOW, posts[:middle]), (LATER, posts[middle:])]
    tables = []
    for order in (scrapes, scrapes[::-1]):
        with tempfile.TemporaryDirectory() as folder:
            storage = open_storage(folder)
            for at, batch in order:
                append(storage, ALICE, [batch], scraped_at=at)
                append(storage, ALICE, [batch], scraped_at=LATER)
            tables.append(read(storage, ALICE))
    assert tables[0].equals(tables[1])
