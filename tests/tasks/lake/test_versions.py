"""Whatever order imports come in: the richest version of a post counts, and each is stored once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.records.made_ids import MadeIds
from tasks.lake.posts import append, ids_from, read, rows_stored, state
from tasks.lake.versions import fingerprint, version_of
from tasks.storage import Storage, open_storage

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WRITTEN = datetime(2024, 9, 2, 11, tzinfo=UTC)
COLUMNS = ["id", "text", "kind", "source", "created_at", "lang"]


def post(post_id: str, text: str, source: str = "table", **fields: object) -> Post:
    known = {"created_at": None, "lang": None, "kind": Kind.POST, "raw": "{}"} | fields
    return Post(id=post_id, handle=ALICE, text=text, source=source, **known)


def lake_of(storage: Storage, imports: list[list[Post]]) -> list[tuple[object, ...]]:
    """What is read after the imports, each done twice."""
    for hour, posts in enumerate([*imports, *imports]):
        rows = rows_stored(storage, ALICE)
        append(storage, ALICE, [posts], scraped_at=NOW + timedelta(hours=hour))
        if hour >= len(imports):
            assert rows_stored(storage, ALICE) == rows, "a second import writes nothing"
    table = read(storage, ALICE).select(COLUMNS)
    assert table.num_rows == state(storage, ALICE).rows
    return sorted(zip(*table.to_pydict().values(), strict=True), key=repr)


ARCHIVE = [
    post("1", "RT @bob: words of bob that are not mine at a…", "x_archive", kind=Kind.RETWEET),
    post("2", "a long text of my own that the other export has cut in its middle", "x_archive"),
]
TABLE = [
    post("1", "words of bob that are not mine at all, and some more of them", created_at=WRITTEN),
    post("2", "a long text of my own that…", created_at=WRITTEN),
    post("3", "only here"),
]


@pytest.mark.parametrize("order", permutations([ARCHIVE, TABLE]))
def test_a_table_does_not_replace_an_archive(storage: Storage, order: list[list[Post]]) -> None:
    found = lake_of(storage, list(order))
    assert [(row[0], row[1], row[2]) for row in found] == [
        ("1", ARCHIVE[0].text, "retweet"),
        ("2", ARCHIVE[1].text, "post"),
        ("3", "only here", "post"),
    ]


def test_only_richer_versions_are_new(storage: Storage) -> None:
    assert append(storage, ALICE, [ARCHIVE], scraped_at=NOW).new == 2
    assert append(storage, ALICE, [TABLE], scraped_at=NOW).new == 1
    assert append(storage, ALICE, [[post("3", "only here, and whole")]], scraped_at=NOW).new == 1


@pytest.mark.parametrize(
    ("poorer", "richer"),
    [
        (post("1", "a much longer text"), post("1", "text", "x_api")),
        (post("1", "a much longer text"), post("1", "text", kind=Kind.REPLY)),
        (post("1", "te…"), post("1", "text")),
        (post("1", r"b'it\xe2\x80\x99s'"), post("1", "it’s")),
        (post("1", "fine <U+0001F602>"), post("1", "fine 😂")),
        (post("1", r"one\ntwo"), post("1", "one\ntwo")),
        (post("1", "cafÃ©, itâ€™s"), post("1", "café, it’s")),
        (post("1", "a &amp;lt; b"), post("1", "a &lt; b")),
        (post("1", "text"), post("1", "text", created_at=WRITTEN)),
        (post("1", "text"), post("1", "text", lang="en")),
    ],
)
def test_what_is_richer(storage: Storage, poorer: Post, richer: Post) -> None:
    for n, order in enumerate([[poorer, richer], [richer, poorer]]):
        append(storage, ALICE, [[replace(each, id=str(n)) for each in order]], scraped_at=NOW)
        (row,) = read(storage, ALICE).to_pylist()[n:]
        assert (row["text"], row["kind"]) == (richer.text, richer.kind)
        assert (row["created_at"], row["lang"]) == (richer.created_at, richer.lang)


def test_a_source_keeps_its_own_version_of_an_equal_post(storage: Storage) -> None:
    """So that what the API gave can be dropped again, while the owner's archive stays."""
    for source in ("x_archive", "x_api"):
        append(storage, ALICE, [[post("1", "text", source)]], scraped_at=NOW)
    assert state(storage, ALICE).sources == ("x_api", "x_archive")
    assert ids_from(storage, ALICE, "x_api") == ["1"]
    assert state(storage, ALICE).rows == 1


def test_of_an_edited_post_the_newest_version_counts(storage: Storage) -> None:
    first, second = post("17", "a tpyo"), post("18", "a typo", replaces=("17",))
    assert append(storage, ALICE, [[first]], scraped_at=NOW).new == 1
    before = state(storage, ALICE).digest
    assert append(storage, ALICE, [[second, first]], scraped_at=NOW).new == 1
    assert read(storage, ALICE)["text"].to_pylist() == ["a typo"]
    assert state(storage, ALICE).rows == 1
    assert state(storage, ALICE).digest != before
    assert append(storage, ALICE, [[first, second]], scraped_at=NOW).new == 0


def test_edits_of_the_same_instant_are_all_known(storage: Storage) -> None:
    for first, second in (("17", "18"), ("27", "28")):
        edit = post(second, "a typo", replaces=(first,))
        append(storage, ALICE, [[post(first, "a tpyo"), edit]], scraped_at=NOW)
    assert sorted(read(storage, ALICE)["id"].to_pylist()) == ["18", "28"]


def test_that_a_stored_post_is_an_edit_may_come_to_be_known(storage: Storage) -> None:
    first, second = post("17", "a tpyo"), post("18", "a typo")
    append(storage, ALICE, [[first, second]], scraped_at=NOW)
    before = state(storage, ALICE).digest
    again = [first, replace(second, replaces=("17",))]
    assert append(storage, ALICE, [again], scraped_at=NOW + timedelta(hours=1)).new == 0
    assert read(storage, ALICE)["id"].to_pylist() == ["18"]
    assert state(storage, ALICE).digest != before


few_ids = st.sampled_from(["1", "2", "3"])
versions = st.builds(
    post,
    few_ids,
    st.text(max_size=3) | st.sampled_from([r"\xe2", "Ã©", "é", r"a\nb", "&amp;amp;"]),
    st.sampled_from(["table", "x_archive", "x_api"]),
    created_at=st.sampled_from([None, WRITTEN, NOW]),
    lang=st.sampled_from([None, "en", "ja"]),
    kind=st.sampled_from(Kind),
    replaces=st.sampled_from([(), (), ("1",), ("2",)]),
)
imports = st.lists(st.lists(versions, max_size=5), min_size=1, max_size=4)


@given(imports, st.randoms())
def test_any_order_of_imports_gives_the_same_lake(given_: list[list[Post]], random: object) -> None:
    shuffled = [list(posts) for posts in given_]
    for posts in shuffled:
        random.shuffle(posts)
    random.shuffle(shuffled)
    lakes = []
    for order in (given_, shuffled, [[each for posts in given_ for each in posts]]):
        with tempfile.TemporaryDirectory() as folder:
            lakes.append(lake_of(open_storage(folder), order))
    assert lakes[0] == lakes[1] == lakes[2]


@given(st.lists(versions, min_size=2, max_size=2, unique_by=version_of))
def test_different_versions_have_different_fingerprints(two: list[Post]) -> None:
    one, other = (fingerprint(version_of(each)) for each in two)
    assert one != other
    assert one == fingerprint(version_of(replace(two[0], raw="[]")))


# --- posts without ids


def as_posts(texts: list[str]) -> list[Post]:
    """As a file of texts is read."""
    made = MadeIds()
    return [post(made.next(text), text) for text in texts]


lines = st.lists(st.sampled_from(["a", "b", "c", "😀", "\ud800"]), max_size=8)


@given(lines, lines, st.randoms())
def test_a_grown_file_stores_what_it_grew_by(
    day1: list[str], more: list[str], random: object
) -> None:
    day2 = [*day1, *more]
    random.shuffle(day2)
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(folder)
        assert append(storage, ALICE, [as_posts(day1)], scraped_at=NOW).new == len(day1)
        assert append(storage, ALICE, [as_posts(day2)], scraped_at=NOW).new == len(more)
        assert append(storage, ALICE, [as_posts(day1)], scraped_at=NOW).new == 0
        texts = read(storage, ALICE)["text"].to_pylist()
    assert sorted(texts) == sorted(text.replace("\ud800", "\ufffd") for text in day2)


@given(lines, lines, st.randoms())
def test_rows_with_the_former_ids_are_recognised(
    old: list[str], more: list[str], random: object
) -> None:
    former = [post(f"0123456789abcdef-{n}", text) for n, text in enumerate(old, 1)]
    today = [*old, *more]
    random.shuffle(today)
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(folder)
        append(storage, ALICE, [former], scraped_at=NOW)
        assert append(storage, ALICE, [as_posts(today)], scraped_at=NOW).new == len(more)
        assert state(storage, ALICE).rows == len(today)


def test_a_date_that_is_understood_now_is_added_to_a_row_with_a_former_id(storage: Storage) -> None:
    append(storage, ALICE, [[post("0123456789abcdef-1", "text")]], scraped_at=NOW)
    dated = [replace(each, created_at=WRITTEN) for each in as_posts(["text"])]
    append(storage, ALICE, [dated], scraped_at=NOW)
    (row,) = read(storage, ALICE).to_pylist()
    assert (row["id"], row["created_at"]) == ("0123456789abcdef-1", WRITTEN)


def test_a_text_that_is_decoded_now_replaces_the_row_with_the_former_id(storage: Storage) -> None:
    append(storage, ALICE, [[post("0123456789abcdef-1", r"b'it\xe2\x80\x99s'")]], scraped_at=NOW)
    made = replace(as_posts(["it’s"])[0], former_id="0123456789abcdef-1")
    other = replace(as_posts(["more"])[0], former_id="0123456789abcdef-2")
    append(storage, ALICE, [[made, other]], scraped_at=NOW)
    assert sorted(read(storage, ALICE)["text"].to_pylist()) == ["it’s", "more"]


def test_rows_that_an_earlier_version_stored_for_two_files_are_not_added_to(
    storage: Storage,
) -> None:
    for file in ("0123456789abcdef", "fedcba9876543210"):
        old = [post(f"{file}-{n}", text) for n, text in enumerate("aab", 1)]
        append(storage, ALICE, [old], scraped_at=NOW)
    assert append(storage, ALICE, [as_posts(["a", "a", "b", "c"])], scraped_at=NOW).new == 1
