"""The filters against a plain loop over the posts; exits 1 if classic is under ten times the loop.

    python -m tests.benchmarks.curation [FOLDER] [POSTS]

FOLDER holds the real posts (default `../shared/tweets` beside the checkout); the posts of
juliasilge are repeated until there are POSTS (default 1,000,000). One core, one run. `classic` must
give what the loop gives, text by text and count by count.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from tasks.curation.filters import find_filter
from tests.tasks.curation.lake_tables import lake_table
from tests.tasks.curation.plain_classic import kept_texts

NEEDED_RATIO = 10
_Result = TypeVar("_Result")


def load(path: Path, number: int) -> list[tuple[str, bool]]:
    """Texts, and whether each is a retweet, repeated until there are `number`."""
    with path.open(encoding="utf-8", newline="") as stream:
        posts = [(row["text"], bool(row["retweeted_status_id"])) for row in csv.DictReader(stream)]
    return list(islice(cycle(posts), number))


def timed(step: Callable[[], _Result]) -> tuple[_Result, float]:
    """What a step gives, and its seconds."""
    begun = time.perf_counter()
    result = step()
    return result, time.perf_counter() - begun


def main(folder: Path, number: int) -> int:
    """Print the table; 1 where `classic` is not ten times as fast as the loop."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    posts = load(folder / "juliasilge.csv", number)
    table = lake_table(
        [text for text, _ in posts], kinds=[_kind(is_retweet) for _, is_retweet in posts]
    )
    (texts, retweets, short), loop = timed(lambda: kept_texts(posts))
    classic, classic_seconds = timed(lambda: find_filter("classic")(table))
    modern, modern_seconds = timed(lambda: find_filter("modern")(table))

    expected = {"downloaded": number, "kept": len(texts), "retweet": retweets, "short": short}
    counts = classic.counts
    if {"downloaded": counts.downloaded, "kept": counts.kept, **counts.dropped} != expected:
        raise AssertionError(f"classic counts {counts}, the loop {expected}")
    if classic.kept["text"].to_pylist() != texts:
        raise AssertionError("classic keeps other texts than the loop")

    _show(
        number,
        [
            ("plain loop", len(texts), loop, loop),
            ("classic", counts.kept, classic_seconds, loop),
            ("modern", modern.counts.kept, modern_seconds, loop),
        ],
    )
    enough = loop / classic_seconds >= NEEDED_RATIO
    print(
        f"classic equals the loop; {NEEDED_RATIO} times its speed: {'met' if enough else 'MISSED'}"
    )
    return int(not enough)


def _kind(is_retweet: bool) -> str:
    return "retweet" if is_retweet else "post"


def _show(number: int, rows: list[tuple[str, int, float, float]]) -> None:
    table = Table(title=f"{number:,} posts on one core")
    for column in ("filter", "kept", "seconds", "posts/s", "times the loop"):
        table.add_column(column, justify="right")
    for name, kept, seconds, loop in rows:
        speed, ratio = f"{number / seconds:,.0f}", f"{loop / seconds:.1f}"
        table.add_row(name, f"{kept:,}", f"{seconds:.2f}", speed, ratio)
    Console(width=100).print(table)


if __name__ == "__main__":
    default = Path(__file__).parents[3] / "shared" / "tweets"
    sys.exit(
        main(
            Path(sys.argv[1]) if len(sys.argv) > 1 else default,
            int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000,
        )
    )
