"""How long the lake takes to read an account whose posts lie in many files, and in merged ones.

    python -m tests.benchmarks.lake [--files 1,16,64,365] [--s3]

An account with 3,200 posts from a first scrape and 20 from each night. `--s3` asks an S3 server on
this machine too, which is as far away as a store in the next room. Milliseconds, the median of
five; prints how long the merge itself takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.lake.compaction import compact
from tasks.lake.data_files import write_segment
from tasks.lake.posts import append, dataset_digest, read, state
from tasks.storage import Storage, open_storage
from tests.servers.s3 import KEYS, running_s3

ALICE = Handle("alice")
FIRST, EACH_NIGHT = 3_200, 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPEATS = 5


def post(number: int) -> Post:
    """A post of about the size of a real one."""
    text = f"post {number} about rain, tea, a small island and the last night train to it " * 2
    told = {"id": str(10**18 + number), "text": text, "public_metrics": {"likes": number % 7}}
    created_at = NOW + timedelta(minutes=number)
    return Post(told["id"], ALICE, created_at, text, "en", Kind.POST, "x_api", json.dumps(told))


def fill(storage: Storage, files: int) -> None:
    """A first scrape and nights, one file each, as they were before files were merged."""
    edges = [0, *range(FIRST, FIRST + EACH_NIGHT * files, EACH_NIGHT)][: files + 1]
    for night in range(files):
        posts = [post(number) for number in range(edges[night], edges[night + 1])]
        write_segment(storage, ALICE, [posts], NOW + timedelta(days=night))


def milliseconds(do: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median of some times."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        do()
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def row(storage: Storage, name: str) -> str:
    """A line of the table."""
    known = [[post(5)]]
    columns = (
        milliseconds(lambda: read(storage, ALICE)),
        milliseconds(lambda: state(storage, ALICE)),
        milliseconds(lambda: dataset_digest(storage, ALICE)),
        milliseconds(lambda: append(storage, ALICE, known, scraped_at=NOW)),
    )
    return f"{name:>18}" + "".join(f"{column:12.1f}" for column in columns)


def table(url: Callable[[int], str], counts: list[int]) -> None:
    """Every number of files, as it is and merged."""
    heads = ("read", "state", "digest", "nothing new")
    print(f"{'files':>18}" + "".join(f"{head:>12}" for head in heads))
    for files in counts:
        storage = open_storage(url(files))
        fill(storage, files)
        print(row(storage, f"{files}"))
        if files > 1:
            merging = milliseconds(lambda: compact(storage, ALICE, max_small=1), 1)  # noqa: B023 - called at once
            print(row(storage, "merged"), f"   merged in {merging:.0f} ms", flush=True)


def main(words: list[str]) -> int:
    """Print one table, or two."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lake")
    parser.add_argument("--files", default="1,4,16,64,365", help="how many, in how many lakes")
    parser.add_argument("--s3", action="store_true", help="on an S3 server as well")
    asked = parser.parse_args(words)
    counts = [int(number) for number in asked.files.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        print("a folder of this machine, milliseconds")
        table(lambda files: f"{folder}/{files}", counts)
    if asked.s3:
        os.environ.update(KEYS)
        with running_s3() as server:
            print("an S3 server on this machine, milliseconds")
            table(lambda files: server.url(f"lake-{files}"), counts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
