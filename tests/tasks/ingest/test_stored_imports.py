"""Imports are listed, and one that is taken back leaves what the others brought."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.records.made_ids import MadeIds
from tasks.ingest.accounts import move_watermark, watermark
from tasks.ingest.stored_imports import (
    drop_import,
    import_id,
    own_instants,
    record_import,
    stored_imports,
)
from tasks.lake.compaction import compact
from tasks.lake.posts import append, read, state
from tasks.removal.import_removal import take_back
from tasks.storage import Storage, open_storage

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Imports:
    """Imports into one storage, an hour apart."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.hours = 0

    def __call__(self, file: str, *posts: Post, source: str = "table") -> str:
        """Import a file's posts; returns the id of the import."""
        at, path = NOW + timedelta(hours=self.hours), Path("/", file)
        self.hours += 1
        own = own_instants(self.storage, ALICE, path)
        found = append(self.storage, ALICE, [list(posts)], scraped_at=at, own=own)
        record_import(self.storage, ALICE, path, source, at, found.repeats)
        return import_id(path)

    def listed(self) -> list[tuple[str, str, int]]:
        return [(i.file, i.source, i.posts) for i in stored_imports(self.storage, ALICE)]

    def texts(self) -> list[str]:
        return sorted(read(self.storage, ALICE)["text"].to_pylist())


@pytest.fixture
def imports(storage: Storage) -> Imports:
    return Imports(storage)


def post(post_id: object, text: str = "hi", source: str = "table", **fields: object) -> Post:
    known = {"created_at": None, "lang": None, "kind": Kind.POST, "raw": "{}"} | fields
    return Post(id=str(post_id), handle=ALICE, text=text, source=source, **known)


def test_imports_are_listed_by_file_and_services_by_name(imports: Imports) -> None:
    imports("a.csv", post(1), post(2))
    imports("a.csv", post(1), post(2), post(3))
    imports("b.csv", post(3), post(4))
    for hour in (10, 11):
        page = [post(hour, source="x_api")]
        append(imports.storage, ALICE, [page], scraped_at=NOW + timedelta(hours=hour))
    assert imports.listed() == [("a.csv", "table", 3), ("b.csv", "table", 2), ("", "x_api", 2)]
    assert stored_imports(imports.storage, ALICE)[-1].id == "x_api"


def test_an_import_without_a_record_is_listed_and_can_be_taken_back(imports: Imports) -> None:
    append(imports.storage, ALICE, [[post(1), post(2)]], scraped_at=NOW)
    (found,) = stored_imports(imports.storage, ALICE)
    assert (found.source, found.file, found.when, found.posts) == ("table", "", NOW, 2)
    assert drop_import(imports.storage, ALICE, found.id) == 2
    assert stored_imports(imports.storage, ALICE) == []


def test_what_another_import_brought_too_stays(imports: Imports) -> None:
    one = imports("a.csv", post(1, "one"), post(2, "both"))
    other = imports("b.csv", post(2, "both"), post(3, "three"))
    third = imports("c.csv", post(2, "both"))
    assert drop_import(imports.storage, ALICE, one) == 1
    assert imports.texts() == ["both", "three"]
    assert imports.listed() == [("b.csv", "table", 2), ("c.csv", "table", 1)]
    drop_import(imports.storage, ALICE, other)
    assert imports.texts() == ["both"]
    drop_import(imports.storage, ALICE, third)
    assert imports.texts() == []


def test_each_import_keeps_its_own_version(imports: Imports) -> None:
    archive = imports("a.zip", post(1, "the whole text", "x_archive"), source="x_archive")
    imports("b.csv", post(1, "the whole…"))
    assert imports.texts() == ["the whole text"]
    drop_import(imports.storage, ALICE, archive)
    assert imports.texts() == ["the whole…"]


def test_an_edit_that_is_taken_back_replaces_nothing(imports: Imports) -> None:
    imports("a.csv", post(17, "a tpyo"))
    edit = imports("b.csv", post(18, "a typo", replaces=("17",)))
    assert imports.texts() == ["a typo"]
    drop_import(imports.storage, ALICE, edit)
    assert imports.texts() == ["a tpyo"]


def test_a_service_that_is_taken_back_is_asked_from_the_start(imports: Imports) -> None:
    append(imports.storage, ALICE, [[post(1, source="x_api")]], scraped_at=NOW)
    move_watermark(imports.storage, ALICE, "x_api", "1")
    drop_import(imports.storage, ALICE, "x_api")
    assert watermark(imports.storage, ALICE, "x_api") is None


def test_an_import_that_is_not_there_is_refused_with_those_that_are(imports: Imports) -> None:
    known = imports("a.csv", post(1))
    with pytest.raises(BadInput, match=f"no import 'nope' is stored: there is {known}$"):
        drop_import(imports.storage, ALICE, "nope")
    with pytest.raises(BadInput, match="there is none"):
        drop_import(imports.storage, Handle("bob"), known)


def test_what_was_merged_is_taken_back_too(imports: Imports) -> None:
    first = imports("a.csv", post(1, "one"))
    imports("b.csv", post(2, "two"))
    compact(imports.storage, ALICE, max_small=1)
    drop_import(imports.storage, ALICE, first)
    assert imports.texts() == ["two"]
    assert imports.listed() == [("b.csv", "table", 1)]


def test_bots_of_the_account_become_due(imports: Imports) -> None:
    corpora = {"corpora/alice-bob/x.parquet": "2", "corpora/alice-bob/y.parquet": "3"}
    for key, held in corpora.items():
        imports.storage.local(key).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"handle": ["alice"], "id": [held]}), imports.storage.local(key))
    name = imports("a.csv", post(1), post(2))
    taken = take_back(imports.storage, ALICE, name, NOW)
    assert (taken.gone, taken.stored, taken.due) == (2, 0, ("alice-bob",))
    assert [imports.storage.exists(key) for key in corpora] == [False, True]
    due = json.loads(imports.storage.read("due/alice-bob.json"))
    assert due["reason"] == "an import of @alice was taken back"


files = st.sampled_from(["a", "b", "c"])
texts = st.lists(st.sampled_from("wxyz"), max_size=4)


@given(st.lists(st.tuples(files, texts), max_size=6), files)
def test_the_others_are_left_as_if_the_import_had_never_been(
    done: list[tuple[str, list[str]]], dropped: str
) -> None:
    def lake_of(some: list[tuple[str, list[str]]], *, drop: bool) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            imports = Imports(open_storage(folder))
            for file, lines in some:
                made = MadeIds()
                imports(file, *(post(made.next(line), line) for line in lines))
            if drop and dropped in (file for file, _ in some):
                drop_import(imports.storage, ALICE, import_id(Path("/", dropped)))
            assert state(imports.storage, ALICE).rows == len(imports.texts())
            return imports.texts()

    others = [(file, lines) for file, lines in done if file != dropped]
    assert lake_of(done, drop=True) == lake_of(others, drop=False)
