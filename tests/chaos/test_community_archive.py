"""An account of 31,415 posts from the Community Archive under faults and SIGKILLs; 200 accounts.

make chaos
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.requests import Request

from tasks.core.errors import TransientError
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.ingest.community_scrape import scrape_from_community
from tasks.lake.posts import Appended, append, read
from tasks.sources.community_archive.source import PAGE
from tasks.sources.file_sources import open_file_source
from tasks.storage import Storage, open_storage
from tests.killing import fetched_again
from tests.servers.community_archive import KEY, Archive, Fault, running_community_archive
from tests.servers.community_client import client_of, timeline
from tests.servers.x_client import Clock

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
ALICE = Handle("alice")
POSTS, FIRST, KILLS, ACCOUNTS = 31_415, 30_000, 10, 200
AN_INSTANT = 3  # posts of the timeline that have the same date
COLUMNS = ["id", "handle", "created_at", "text", "lang", "kind"]  # the others tell the source
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def posts() -> list[Post]:
    return list(timeline(range(POSTS), ALICE))


@pytest.fixture(scope="module")
def imported(posts: list[Post], tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The same posts, imported as a table."""
    folder = tmp_path_factory.mktemp("table")
    with (folder / "alice.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        names = ("in_reply_to_status_id", "retweeted_status_id", "quoted_status_id")
        writer.writerow(("tweet_id", "timestamp", "text", *names))
        for post in posts:
            kinds = (Kind.REPLY, Kind.RETWEET, Kind.QUOTE)
            flags = ["1" if post.kind is kind else "" for kind in kinds]
            writer.writerow((post.id, post.created_at, post.text, *flags))
    storage = open_storage(str(folder / "storage"))
    source = open_file_source(folder / "alice.csv", ALICE)
    append(storage, ALICE, source.batches(None), scraped_at=NOW)
    return read(storage, ALICE).select(COLUMNS)


class Storm:
    """A fault on almost every second request, of every kind that passes."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.seen: Counter[str] = Counter()

    def __call__(self, _request: Request) -> Fault | None:
        if self._draw.random() < 0.55:
            return None
        faults = {
            "timeout": Fault.timeout(),
            "503": Fault(503, {"message": "no connection", "code": "PGRST000"}),
            "html": Fault(200, b"<html>over capacity</html>"),
            "half": Fault(200, b'[{"tweet_id": "12'),
            "cut": Fault(cut=self._draw.randint(1, 50_000)),
            "reset": Fault(cut=0),
            "pause": Fault(429, headers={"retry-after": "9"}),
            "gateway": Fault(504, b""),
        }
        name = self._draw.choice(list(faults))
        self.seen[name] += 1
        return faults[name]


def test_a_storm_changes_nothing(storage: Storage, posts: list[Post], imported: pa.Table) -> None:
    draw, clock = random.Random(7), Clock()
    storm = Storm(draw)
    with running_community_archive() as archive:
        archive.storm, archive.cap = storm, 777  # the service may lower its cap
        account_id = archive.add("alice", posts[:FIRST])
        calls = scraped_to_the_end(storage, archive, clock)
        archive.post(account_id, posts[FIRST:])
        calls += scraped_to_the_end(storage, archive, clock)
        requests, pages = len(archive.requests), archive.pages
    assert read(storage, ALICE).select(COLUMNS).equals(imported)
    sent = Counter(post_id for page in pages for post_id in page)
    again = sum(sent.values()) - len(sent)
    assert again <= calls * 3, "of each scrape only what is of its first instant"
    assert len(storm.seen) == 8
    print(
        f"\nCHAOS | Community Archive, {POSTS:,} posts in a storm | {requests} requests in {calls} "
        f"scrapes, {storm.seen.total()} faults {dict(storm.seen)}, {again} rows sent again"
    )


def scraped_to_the_end(storage: Storage, archive: Archive, clock: Clock) -> int:
    """Call until a scrape comes to its end, as nights do; returns the calls."""
    for calls in range(1, 100):
        try:
            scrape_from_community(ALICE, client_of(archive, clock), storage, f"night {calls}")
        except TransientError:
            clock.now += 86_400
        else:
            return calls
    raise AssertionError("never came to its end")


def test_sigkill_at_any_moment_loses_nothing_and_fetches_at_most_a_page_twice(
    storage: Storage, posts: list[Post], imported: pa.Table
) -> None:
    draw = random.Random()
    runs: list[list[list[str]]] = []
    with running_community_archive() as archive:
        archive.storm = faults_at_times
        account_id = archive.add("alice", posts[:FIRST])
        for _ in range(KILLS):
            killed(start(archive, storage), archive, draw)
            runs.append(archive.pages)
            archive.pages = []
        archive.post(account_id, posts[FIRST:])
        told, _ = start(archive, storage).communicate(timeout=600)
        runs.append(archive.pages)
        assert "Appended" in told
    assert read(storage, ALICE).select(COLUMNS).equals(imported)
    again = fetched_again(runs)
    # A page, and the newest stored posts, by which a scrape sees that the account is still there.
    assert max(again) <= PAGE + AN_INSTANT
    print(
        f"\nCHAOS | Community Archive, {POSTS:,} posts, {KILLS} SIGKILLs | posts fetched again by "
        f"run: {again}"
    )


def faults_at_times(_request: Request) -> Fault:
    """Every sixth request fails, the others take a while."""
    return Fault.timeout() if random.random() < 1 / 6 else Fault(delay=0.05)


def start(archive: Archive, storage: Storage) -> subprocess.Popen[str]:
    program = Path(__file__).with_name("community_scrape_process.py")
    words = [sys.executable, str(program), archive.url, storage.url, KEY]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str], archive: Archive, draw: random.Random) -> None:
    """SIGKILL at a random moment after the first page went out."""
    deadline = time.monotonic() + 120
    while not archive.pages and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.3))
    assert process.poll() is None, "it came to its end before it was killed"
    process.kill()
    process.wait(10)
    time.sleep(0.2)  # its last request may not have arrived yet
    while archive.in_flight:
        time.sleep(0.01)


def test_two_hundred_accounts_with_nothing_new_cost_two_hundred_requests(storage: Storage) -> None:
    handles = [Handle(f"user_{n}") for n in range(ACCOUNTS)]
    with running_community_archive() as archive:
        client = client_of(archive)
        for n, handle in enumerate(handles):
            archive.add(handle.name, timeline(range(n, n + 2), handle))
            scrape_from_community(handle, client, storage, "first night")
        archive.requests.clear()
        for handle in handles:
            assert scrape_from_community(handle, client, storage, "night") == Appended(0, 0)
        client.close()
        assert len(archive.requests) == ACCOUNTS
    print(f"\nCHAOS | Community Archive, {ACCOUNTS} accounts, nothing new | {ACCOUNTS} requests")
