"""`classic` on four real accounts, against the counts that the original's filter gave there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.curation.corpus import build_corpus, summary
from tasks.records import Bot, Handle, Kind

EXPECTED = {
    "drob": (4174, 1160, 220, 2794, 304935),
    "juliasilge": (13091, 1026, 432, 11633, 1188323),
    "elonmusk": (12562, 0, 2627, 9935, 1139077),
    "congressedits": (2313, 23, 1, 2289, 226438),
}


def texts_of(handle: str, folder: Path) -> list[tuple[str, bool]]:
    """Text and whether it is a retweet, read without the project's own sources."""
    if handle == "elonmusk":
        lines = (folder / "elonmusk.txt").read_text(encoding="utf-8").split("\n")
        return [(line, False) for line in lines if line]
    if handle == "congressedits":
        files = sorted((folder / "edsu-archive/data/js/tweets").glob("*.js"))
        posts = [
            post
            for file in files
            for post in json.loads(file.read_text(encoding="utf-8").partition("=")[2])
        ]
        return [(post["text"], "retweeted_status" in post) for post in posts]
    with (folder / f"{handle}.csv").open(newline="", encoding="utf-8") as stream:
        return [(row["text"], bool(row["retweeted_status_id"])) for row in csv.DictReader(stream)]


@pytest.mark.parametrize("handle", EXPECTED)
def test_the_originals_counts_are_met_to_the_digit(handle: str, real_posts: Path) -> None:
    posts = texts_of(handle, real_posts)
    rows = len(posts)
    table = pa.table(
        {
            "id": [str(number) for number in range(rows)],
            "created_at": pa.array([None] * rows, pa.timestamp("us", "UTC")),
            "text": [text for text, _ in posts],
            "lang": pa.array([None] * rows, pa.string()),
            "kind": [Kind.RETWEET if retweet else Kind.POST for _, retweet in posts],
            "source": ["table"] * rows,
        }
    )
    curated = build_corpus(
        Bot.parse(handle), {Handle(handle): table}, filter_name="classic", floor=0, warn_below=0
    )
    got = summary(curated)
    assert EXPECTED[handle] == (
        got["downloaded"],
        got["retweets"],
        got["short"],
        got["kept"],
        got["characters"],
    )
