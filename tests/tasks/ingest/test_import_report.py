from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.names import Handle
from tasks.ingest.import_report import NO_DATES, ReportedSource
from tasks.sources.file_sources import open_file_source

ALICE = Handle("alice")


def reported(path: Path, content: str) -> dict:
    path.write_text(content, encoding="utf-8")
    source = ReportedSource(open_file_source(path, ALICE))
    assert sum(map(len, source.batches(None))) == content.count("\n") - path.name.endswith(".csv")
    return source.report()


def test_what_was_understood_of_a_table_is_counted(tmp_path: Path):
    rows = [
        "id,created_at,text,lang,is_retweet",
        *(f"{n},2020-01-0{n},text {n},en,false" for n in range(1, 6)),
        "1000000000000000001,,RT @bob: hi,,true",
        "8.1e17,never,last,de,false",
    ]
    report = reported(tmp_path / "a.csv", "\n".join(rows) + "\n")
    assert report["columns"] == {
        "id": "id",
        "created_at": "created_at",
        "text": "text",
        "lang": "lang",
        "retweet_flag": "is_retweet",
    }
    assert report["dates"] == {
        "given": 6,
        "understood": 5,
        "from_ids": 1,
        "posts_with": 6,
        "first": "2018-05-25T13:05:53.758000+00:00",
        "last": "2020-01-05T00:00:00+00:00",
    }
    assert report["ids"] == {"given": 7, "understood": 6, "made": 1}
    assert report["kinds"] == {"post": 6, "retweet": 1}
    assert report["languages"] == {"en": 5, "unknown": 1, "de": 1}
    assert report["held_out"] == "newest"
    assert len(report["samples"]) == 3
    assert "RT @bob: hi" not in report["samples"]
    assert [notice.split(": ")[1].split(" in ")[0] for notice in report["notices"]] == [
        "1 of 6 dates",
        "1 of 7 ids",
    ]


def test_an_import_without_dates_says_what_will_be_held_out(tmp_path: Path):
    report = reported(tmp_path / "a.txt", "one\ntwo\n")
    assert (report["held_out"], report["notices"]) == ("drawn", [NO_DATES])
    assert report["dates"]["first"] is None
    assert sorted(report["samples"]) == ["one", "two"]


@pytest.mark.parametrize("name", ["one", "two"])
def test_the_samples_are_the_same_each_time(tmp_path: Path, name: str):
    lines = "".join(f"text {number}\n" for number in range(500))
    samples = reported(tmp_path / f"{name}.txt", lines)["samples"]
    assert samples == reported(tmp_path / "other.txt", lines)["samples"]
    assert len(set(samples)) == 3


def test_dates_that_cannot_be_are_said(tmp_path: Path):
    rows = "".join(f"2990-01-01,text {number}\n" for number in range(20))
    future, same = reported(tmp_path / "a.csv", "date,text\n" + rows)["notices"]
    assert future == "posts with a date in the future: 20; is the right column used?"
    assert same.startswith("all 20 dates are the same")
    assert same.endswith("--column date=")


def test_edits_are_counted(tmp_path: Path):
    row = '{"id":"%d","text":"version %d","edit_history_tweet_ids":["1000000","1000001"]}\n'
    content = row % (1000000, 1) + row % (1000001, 2)
    notices = reported(tmp_path / "a.jsonl", content)["notices"]
    assert notices[0] == "posts that are edits: 1; of each only the newest version counts"
