from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from tasks.core.errors import UnreadableSource
from tasks.core.names import BlueskyHandle, Handle
from tasks.core.records import Kind, Post
from tasks.sources.file_sources import open_file_source
from tasks.sources.recognised import Reading

ALICE = Handle("alice")


def read(
    tmp_path: Path, content: str, handle: Handle = ALICE, **reading: object
) -> tuple[list[Post], str]:
    """The posts of a CSV, and what is said of it."""
    path = tmp_path / "a.csv"
    path.write_text(content)
    source = open_file_source(path, handle, Reading(**reading))
    posts = list(chain.from_iterable(source.batches(None)))
    return posts, "; ".join(source.findings.notices)


def table(header: str, *cells: str) -> str:
    rows = "".join(f'text {number},"{cell}"\n' for number, cell in enumerate(cells))
    return f"text,{header}\n{rows}"


def test_dates_that_are_mostly_not_understood_stop_the_import(tmp_path: Path):
    content = table("date", "2020-01-01", "sometime", "never")
    with pytest.raises(
        UnreadableSource,
        match=r"2 of 3 dates in the column 'date' .* 'sometime': "
        r"name another column with --column date=NAME, or .* --column date=",
    ):
        read(tmp_path, content)
    posts, _ = read(tmp_path, content, columns={"created_at": ""})
    assert [post.created_at for post in posts] == [None] * 3


def test_a_few_dates_that_are_not_understood_are_said(tmp_path: Path):
    posts, notices = read(tmp_path, table("date", "2020-01-01", "2020-01-02", "never", ""))
    assert [post.created_at is None for post in posts] == [False, False, True, True]
    assert "1 of 3 dates in the column 'date' are not understood, such as 'never'" in notices


def test_dates_that_count_back_are_refused_as_such(tmp_path: Path):
    with pytest.raises(UnreadableSource, match="counts back from a day that the file does not"):
        read(tmp_path, table("date", "2 days ago", "3 days ago"))


def test_the_rest_of_a_column_says_whether_the_day_comes_first(tmp_path: Path):
    for cell, month in (("13/1/2020", 2), ("1/13/2020", 1)):
        posts, notices = read(tmp_path, table("date", "1/2/2020", "5/4/2020", cell))
        assert posts[0].created_at is not None
        assert (posts[0].created_at.month, notices) == (month, "")


def test_dates_that_nothing_decides_stop_the_import_where_the_order_of_posts_depends_on_it(
    tmp_path: Path,
):
    content = table("date", "1/2/2020", "2/1/2020")
    with pytest.raises(UnreadableSource, match=r"in two ways.*--day-first or --month-first"):
        read(tmp_path, content)
    posts, _ = read(tmp_path, content, day_first=True)
    assert posts[0].created_at == datetime(2020, 2, 1, tzinfo=UTC)
    posts, notices = read(tmp_path, table("date", "10/1/2017 19:58", "10/1/2017 19:59"))
    assert posts[0].created_at == datetime(2017, 10, 1, 19, 58, tzinfo=UTC)
    assert "the month is taken to be first, --day-first says otherwise" in notices


def test_both_orders_in_a_column_are_none(tmp_path: Path):
    with pytest.raises(UnreadableSource, match="in two ways"):
        read(tmp_path, table("date", "13/1/2020", "1/13/2020", "1/2/2020"))


def test_ids_that_a_spreadsheet_rounded_stop_the_import(tmp_path: Path):
    content = table("id", "8.16109E+17", "8.16109E+17")
    with pytest.raises(UnreadableSource, match=r"2 of 2 ids .* '8.16109E\+17': a spreadsheet"):
        read(tmp_path, content)
    posts, _ = read(tmp_path, content, columns={"id": ""})
    assert len({post.id for post in posts}) == 2


def test_a_post_without_a_date_has_that_of_its_id(tmp_path: Path):
    content = "id,text\n1050118621198921728,new\n12,old\n"
    posts, _ = read(tmp_path, content)
    assert [post.created_at and post.created_at.year for post in posts] == [2018, None]
    posts, _ = read(tmp_path, content, BlueskyHandle("alice.example.com"))
    assert [post.created_at for post in posts] == [None, None]


@pytest.mark.parametrize(
    ("header", "cells", "retweets"),
    [
        ("retweet", "015", 0),  # numbers
        ("retweet", "01", 1),  # a flag: numbers that are one
        ("is_retweet", ("True", "False"), 1),
        ("retweet", ("t", "f"), 1),
    ],
)
def test_a_column_called_retweet_marks_them_or_counts_them(
    tmp_path: Path, header: str, cells: str, retweets: int
):
    posts, notices = read(tmp_path, table(header, *cells))
    assert sum(post.kind is Kind.RETWEET for post in posts) == retweets
    assert ("counts" in notices) is (retweets == 0)


def test_marks_of_retweets_that_are_not_understood_stop_the_import(tmp_path: Path):
    with pytest.raises(UnreadableSource, match=r"2 of 3 marks of retweets .* such as 'original'"):
        read(tmp_path, table("is_retweet", "true", "original", "quote"))


def test_beside_other_counts_a_column_called_retweet_counts(tmp_path: Path):
    posts, notices = read(tmp_path, "text,like,retweet\na,3,1\nb,0,0\n")
    assert {post.kind for post in posts} == {Kind.POST}
    assert "the column 'retweet' counts, and marks nothing" in notices


def test_a_given_column_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UnreadableSource, match="no column 'when' among: text, date"):
        read(tmp_path, table("date", "2020-01-01"), columns={"created_at": "when"})


def test_ids_that_stand_beside_many_texts_name_no_posts(tmp_path: Path):
    rows = "".join(f"5,text {number}\n" for number in range(9))
    with pytest.raises(UnreadableSource, match=r"8 of 9 ids in the column 'id' .* --column id="):
        read(tmp_path, "id,text\n" + rows)
    posts, _ = read(tmp_path, "id,text\n" + rows, columns={"id": ""})
    assert len({post.id for post in posts}) == 9
    _, notices = read(tmp_path, "id,text\n5,one\n6,two\n7,three\n7,three\n7,four\n")
    assert "1 of 5 ids in the column 'id' are those of another text: of each id one" in notices


def test_a_column_of_texts_that_is_empty_is_refused(tmp_path: Path):
    with pytest.raises(UnreadableSource, match=r"'body' is empty: .* --column text=NAME"):
        read(tmp_path, "id,title,body\n1,one,\n2,two, \n")
    posts, notices = read(tmp_path, "id,title,body\n1,one,\n2,two,words\n")
    assert [post.text for post in posts] == ["", "words"]
    assert "the column 'body' is empty in 1 of 2 rows" in notices


def test_of_two_columns_of_one_name_the_first_is_used_and_both_can_be_named(tmp_path: Path):
    content = "id,text,text\n1,one,two\n"
    posts, notices = read(tmp_path, content)
    assert [post.text for post in posts] == ["one"]
    assert "has two columns 'text', of which the first is used" in notices
    posts, notices = read(tmp_path, content, columns={"text": "text (2)"})
    assert ([post.text for post in posts], notices) == (["two"], "")


def test_a_column_may_name_the_kinds_of_posts(tmp_path: Path):
    kinds = ("Tweet", "Retweet", "reply", "QUOTE_TWEET", "New tweet", "")
    posts, notices = read(tmp_path, table("Type", *kinds))
    expected = [Kind.POST, Kind.RETWEET, Kind.REPLY, Kind.QUOTE, Kind.POST, Kind.POST]
    assert [post.kind for post in posts] == expected
    assert notices == ""
    posts, notices = read(tmp_path, table("Type", "Retweet", "photo"))
    assert [post.kind for post in posts] == [Kind.POST, Kind.POST]
    assert "the column 'Type' names no kinds of posts; not used" in notices


def test_the_line_ends_of_old_macs_are_named(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b"id,text\r1,one\r2,two\r")
    with pytest.raises(UnreadableSource, match="lines end as on old Macs"):
        list(open_file_source(tmp_path / "a.csv", ALICE).batches(None))
