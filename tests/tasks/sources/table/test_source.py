from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, HuggingtweetsError, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.sources.file_sources import open_file_source
from tasks.sources.recognised import Reading
from tasks.sources.table.text_rows import MAX_LINE
from tests.strategies import cells, fixture_shared_by_examples

ALICE = Handle("alice")
Rows = list[dict[str, Any]]


def posts_of(path: Path, columns: dict[str, str] | None = None) -> list[Post]:
    return list(
        chain.from_iterable(
            open_file_source(path, ALICE, Reading(columns=columns or {})).batches(None)
        )
    )


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_csv(path: Path, rows: Rows, delimiter: str = ",") -> Path:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return written(path, out.getvalue())


def write_jsonl(path: Path, rows: Rows) -> Path:
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path: Path, rows: Rows) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


FORMATS = [("a.csv", write_csv), ("a.jsonl", write_jsonl), ("a.parquet", write_parquet)]
ROWS = [
    {"id": "816108564720812032", "text": 'a "quoted"\nline, and more', "created_at": "2017-01-03"},
    {"id": "9223372036854775807", "text": "RT @bob: hi", "created_at": ""},
]


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_each_format_gives_the_same_posts(tmp_path: Path, name: str, write: Any):
    first, second = posts_of(write(tmp_path / name, ROWS))
    assert json.loads(first.raw) == ROWS[0]
    assert first == Post(
        id="816108564720812032",
        handle=ALICE,
        created_at=datetime(2017, 1, 3, tzinfo=UTC),
        text='a "quoted"\nline, and more',
        lang=None,
        kind=Kind.POST,
        source="table",
        raw=first.raw,
    )
    assert (second.id, second.kind, second.created_at) == (ROWS[1]["id"], Kind.RETWEET, None)


def test_plain_text_is_a_post_a_line_verbatim(tmp_path: Path):
    path = written(tmp_path / "a.txt", '"quoted, ""twice"""\r\n\r\n  \n  é\u2028x\x85 \nlast')
    posts = posts_of(path)
    assert [post.text for post in posts] == ['"quoted, ""twice"""', "  é\u2028x\x85 ", "last"]
    assert json.loads(posts[1].raw) == {"text": "  é\u2028x\x85 "}


@pytest.mark.parametrize("name", ["id", "tweet_id", "Tweet ID", "Tweet Id", "id_str"])
@pytest.mark.parametrize("text", ["text", "full_text", "Text", "Tweet"])
@pytest.mark.parametrize("date", ["created_at", "timestamp", "Datetime", "Date Created"])
def test_common_names_are_guessed(tmp_path: Path, name: str, text: str, date: str):
    rows = [{"source": "web", name: "123", date: "2017-01-03", text: "hello"}]
    (post,) = posts_of(write_csv(tmp_path / "a.csv", rows))
    assert (post.id, post.text, post.created_at) == (
        "123",
        "hello",
        datetime(2017, 1, 3, tzinfo=UTC),
    )


def test_the_more_exact_of_two_columns_is_taken(tmp_path: Path):
    rows = [{"text": "cut…", "id": 1.0, "full_text": "whole", "id_str": "1"}]
    (post,) = posts_of(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (post.id, post.text) == ("1", "whole")


def test_the_operator_names_the_columns(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", [{"Nr": "7", "Beitrag": "hallo"}])
    (post,) = posts_of(path, {"id": "Nr", "text": "Beitrag"})
    assert (post.id, post.text) == ("7", "hallo")
    with pytest.raises(UnreadableSource, match="no column of texts among: Nr, Beitrag"):
        posts_of(path, {"text": "beitrag"})
    with pytest.raises(BadInput, match="unknown meanings"):
        open_file_source(path, ALICE, Reading(columns={"txt": "Beitrag"}))


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"text": "RT @bob hi"}, Kind.RETWEET),
        ({"text": "RT @bob hi", "isRetweet": "f"}, Kind.POST),
        ({"text": "hi", "is_retweet": "True"}, Kind.RETWEET),
        ({"text": "RT @bob hi", "retweeted_status_id": ""}, Kind.POST),
        ({"text": "hi", "retweeted_status_id": "NaN"}, Kind.POST),
        ({"text": "hi", "retweeted_status_id": "12"}, Kind.RETWEET),
        ({"text": "hi", "is_retweet": "0", "retweeted_status_id": "12"}, Kind.RETWEET),
        ({"text": "@bob hi", "in_reply_to_status_id": "12"}, Kind.REPLY),
        ({"text": "@bob hi", "in_reply_to_user_id": "12"}, Kind.REPLY),
        ({"text": "hi", "quoted_status_id": "12"}, Kind.QUOTE),
        ({"text": "hi", "in_reply_to_status_id": "null"}, Kind.POST),
    ],
)
def test_the_kind_is_told_by_the_row(tmp_path: Path, row: dict[str, str], kind: Kind):
    (post,) = posts_of(write_csv(tmp_path / "a.csv", [row]))
    assert post.kind is kind


def test_ids_that_were_rounded_are_replaced(tmp_path: Path):
    ids = ["8.16109E+17", "816108564720812032.0", "", "nan", "x" * 65, "../etc"]
    rows = [{"id": id_, "text": "same"} for id_ in ids]
    rows += [{"id": str(n), "text": "same"} for n in range(1, 7)]
    made = [post.id for post in posts_of(write_csv(tmp_path / "a.csv", rows))][: len(ids)]
    assert len(set(made)) == len(ids)
    assert not set(made) & set(ids)
    floats = [{"id": 8.1e17, "text": "a"}, {"id": None, "text": "b"}, {"id": True, "text": "c"}]
    exact = [{"id": n, "text": "d"} for n in range(1, 4)]
    posts = posts_of(write_jsonl(tmp_path / "b.jsonl", floats + exact))
    assert len({post.id for post in posts}) == 6


def test_rows_of_one_file_may_have_different_keys(tmp_path: Path):
    rows = [{"text": "a"}, {"text": "RT @b x", "retweeted_status": {"id": 3}}, {"text": None}]
    posts = posts_of(write_jsonl(tmp_path / "a.ndjson", rows))
    assert [(post.text, post.kind) for post in posts] == [
        ("a", Kind.POST),
        ("RT @b x", Kind.RETWEET),
        ("", Kind.POST),
    ]


def test_parquet_keeps_exact_ids_and_dates_and_only_columns_with_a_meaning(tmp_path: Path):
    row = {
        "id": 2**63 - 1,
        "text": "hi",
        "lang": "en",
        "created_at": datetime(2017, 1, 3, tzinfo=UTC),
        "score": math.nan,
        "entities": {"urls": ["x"]},
    }
    (post,) = posts_of(write_parquet(tmp_path / "a.parquet", [row]))
    assert (post.id, post.lang, post.created_at) == (str(2**63 - 1), "en", row["created_at"])
    assert json.loads(post.raw).keys() == {"id", "text", "lang", "created_at"}


def test_parquet_may_nest_the_retweeted_post(tmp_path: Path):
    rows = [{"text": "a", "retweeted_status": {"id": 3}}, {"text": "RT @b x"}]
    posts = posts_of(write_parquet(tmp_path / "a.parquet", rows))
    assert [post.kind for post in posts] == [Kind.RETWEET, Kind.POST]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.binary(), pa.binary(100)])
def test_parquet_whose_texts_are_no_texts_is_named(tmp_path: Path, kind: pa.DataType):
    value = ["a"] if pa.types.is_nested(kind) else b"a" * 100
    pq.write_table(pa.table({"text": pa.array([value], kind)}), tmp_path / "a.parquet")
    with pytest.raises(UnreadableSource, match="text"):
        posts_of(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"data_page_version": "2.0"},
        {"compression": "none", "row_group_size": 7},
        {"data_page_size": 100, "write_page_checksum": True},
    ],
)
def test_parquet_of_any_writer_is_read(tmp_path: Path, kind: pa.DataType, options: dict[str, Any]):
    texts = [str(n % 7) * n or None for n in range(50)]
    table = pa.table({"text": pa.array(texts).cast(kind), "id": range(1, 51)})
    pq.write_table(table, tmp_path / "a.parquet", **options)
    posts = posts_of(tmp_path / "a.parquet")
    assert [post.text for post in posts] == [text or "" for text in texts]
    assert [post.id for post in posts] == [str(n) for n in range(1, 51)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_be_separated_otherwise(tmp_path: Path, delimiter: str):
    rows = [{"id": "1", "text": "a, b; c", "lang": "en"}]
    (post,) = posts_of(write_csv(tmp_path / "a.tsv", rows, delimiter))
    assert (post.text, post.lang) == ("a, b; c", "en")


@pytest.mark.parametrize("before", ["", "\n", "\r\n \r\n"])
def test_a_csv_may_have_a_mark_blank_lines_and_short_rows(tmp_path: Path, before: str):
    rows = "text,lang\r\n\r\nhello\r\nhi,en\r\n"
    path = written(tmp_path / "a.csv", f"\ufeff{before}{rows}")
    assert [(post.text, post.lang) for post in posts_of(path)] == [("hello", None), ("hi", "en")]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a", "id,text\n1,hello\n", Kind.POST),
        ("a.dat", '\n{"id": 1, "text": "hello"}\n', Kind.POST),
    ],
)
def test_a_file_of_unknown_name_is_looked_at(tmp_path: Path, name: str, content: str, kind: Kind):
    (post,) = posts_of(written(tmp_path / name, content))
    assert "hello" in post.text
    assert (post.id == "1") is ("1" in content)


def test_parquet_of_unknown_name_is_looked_at(tmp_path: Path):
    path = write_parquet(tmp_path / "posts.bin", [{"text": "hello"}])
    assert [post.text for post in posts_of(path)] == ["hello"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "is an empty file"),
        ("a.txt", b"", "is an empty file"),
        ("a.jsonl", "", "is an empty file"),
        ("a.parquet", "", "is an empty file"),
        ("a.txt", "\n \n", "is an empty file"),
        ("a.csv", "id,text\n", "holds no posts"),
        ("a.jsonl", "\n", "is an empty file"),
        ("a.csv", "name,age\nx,3\n", r"no column of texts among: name, age; .* --column text=NAME"),
        ("a.csv", '"two\nlines","\x1b[31mred"\nx,3\n', r"among: two\?lines, \?\[31mred;"),
        ("a.csv", "id,text\n1,Sohn\n2,Söhne\n".encode() + b"3,S\xf6hne\n", "line 4 is not UTF-8"),
        ("a.csv", "text\nx\0y\n", "is a binary file"),
        ("a.txt", "ok\nx\0y\n", "is a binary file"),
        ("a.txt", "ok\n" * 500 + "x\0y\n", "line 501 holds a NUL byte"),
        ("a.csv", "id,text\n1,two, cells\n", "line 2 has 3 cells, the first line 2"),
        ("a.csv", 'id,text\n1,"never closed\n', r"line 2 is not CSV"),
        ("a.csv", 'id,text\n1,"x"y\n', "line 2 is not CSV"),
        ("a.csv", "text\n" + "x" * 200_000 + "\n", "field larger"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', "line 2 is not a JSON object"),
        ("a.jsonl", '{"text": ' + "[" * 100_000, "line 1 is not JSON"),
        ("a.jsonl", '{"name": "a"}\n', "no column of texts among: name"),
        ("a.jsonl", "{}\n", "no column of texts among: no columns"),
        ("a.jsonl", '{"text": "a"}\n{"text": ["a"]}\n', "row 2: the text is a list"),
        ("a.parquet", b"PAR1 and nothing more", "cannot be read"),
        ("a", b"\x00\x01", "is a binary file"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: str | bytes, says: str):
    with pytest.raises(UnreadableSource, match=says) as caught:
        posts_of(written(tmp_path / name, content))
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_line_without_end_is_refused(tmp_path: Path):
    with pytest.raises(UnreadableSource, match="line 1 is over"):
        posts_of(written(tmp_path / "a.txt", b"x" * (MAX_LINE + 1)))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UnreadableSource, match="there is no such file"):
        posts_of(tmp_path / "nowhere.csv")


def test_a_parquet_file_cut_off_is_named(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", [{"text": str(n)} for n in range(1_000)])
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UnreadableSource, match="cannot be read"):
        posts_of(path)


def test_batches_are_bounded_and_complete(tmp_path: Path):
    path = written(tmp_path / "a.txt", "".join(f"{n}\n" for n in range(2_500)))
    batches = list(open_file_source(path, ALICE).batches("ignored"))
    assert [len(batch) for batch in batches] == [1_000, 1_000, 500]
    assert [post.text for post in chain.from_iterable(batches)] == [str(n) for n in range(2_500)]
    assert open_file_source(path, ALICE).profile() is None


@fixture_shared_by_examples
@given(texts=st.lists(cells, min_size=1, max_size=20))
def test_any_text_survives_each_format(tmp_path: Path, texts: list[str]):
    texts = [*texts, "é"]  # so that no text is taken for UTF-8 that was read as Windows-1252
    rows = [{"id": str(n), "text": text} for n, text in enumerate(texts, 1)]
    for name, write in FORMATS:
        found = posts_of(write(tmp_path / name, rows))
        assert [(post.id, post.text) for post in found] == [(r["id"], r["text"]) for r in rows]


@fixture_shared_by_examples
@given(
    content=st.binary(max_size=60) | st.text('"{},:text\n\\ud8\t;', max_size=60),
    suffix=st.sampled_from(["", ".csv", ".jsonl", ".parquet", ".txt"]),
)
def test_only_our_own_errors_come_out(tmp_path: Path, content: str | bytes, suffix: str):
    path = written(tmp_path / f"a{suffix}", content)
    try:
        assert posts_of(path)
    except HuggingtweetsError as error:
        assert str(path) in str(error)  # noqa: PT017 - that there is none is right too
