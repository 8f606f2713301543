"""The original's counts on four real accounts, to the digit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.names import Bot, Handle
from tasks.curation.corpus import build_corpus
from tests.tasks.curation.lake_tables import lake_table
from tests.tasks.curation.plain_classic import kept_texts

Posts = list[tuple[str, bool]]


def _csv(path: Path) -> Posts:
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row["text"], bool(row["retweeted_status_id"])) for row in csv.DictReader(stream)]


def _lines(path: Path) -> Posts:
    return [(line, False) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _grailbird(path: Path) -> Posts:
    posts = []
    for month in sorted((path / "data" / "js" / "tweets").glob("*.js")):
        _, _, tweets = month.read_text(encoding="utf-8").partition("=")
        posts += [(tweet["text"], "retweeted_status" in tweet) for tweet in json.loads(tweets)]
    return posts


ACCOUNTS = [
    ("drob", _csv, "drob.csv", (4174, 1160, 220, 2794, 304935)),
    ("juliasilge", _csv, "juliasilge.csv", (13091, 1026, 432, 11633, 1188323)),
    ("elonmusk", _lines, "elonmusk.txt", (12562, 0, 2627, 9935, 1139077)),
    ("congressedits", _grailbird, "edsu-archive", (2313, 23, 1, 2289, 226438)),
]


@pytest.mark.parametrize(("name", "load", "file", "counts"), ACCOUNTS)
def test_classic_counts_as_the_original_did(
    real_posts: Path, name: str, load: Callable[[Path], Posts], file: str, counts: tuple[int, ...]
):
    posts = load(real_posts / file)
    kinds = ["retweet" if retweet else "post" for _, retweet in posts]
    table = lake_table([text for text, _ in posts], handle=name, kinds=kinds)
    handle = Handle(name)
    corpus = build_corpus(
        Bot((handle,)), {handle: table}, filter_name="classic", floor=6_000, warn_below=40_000
    )
    downloaded, retweets, short, kept, characters = counts
    found = corpus.counts[name]
    assert (found.downloaded, found.kept, corpus.characters) == (downloaded, kept, characters)
    assert found.dropped == {"retweet": retweets, "short": short}
    assert corpus.table["text"].to_pylist() == kept_texts(posts)[0]
    assert corpus.warning is None
