"""The posts of @drob through the X API, under a storm and through SIGKILL, equal to the table's."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from starlette.requests import Request

from tasks.core.errors import TransientError
from tasks.core.names import Handle
from tasks.core.records import Post
from tasks.core.settings import Settings
from tasks.ingest.accounts import watermark
from tasks.ingest.ledger import spent
from tasks.ingest.scrape_state import load_position
from tasks.ingest.x_scrape import open_budget, scrape_account
from tasks.lake.posts import append, read
from tasks.sources.file_sources import open_file_source
from tasks.sources.x_api.client import PAGE
from tasks.storage import Storage, open_storage
from tests.killing import fetched_again
from tests.servers.x_api import TOKEN, Account, Fault, XApi, as_api_posts, running_x_api
from tests.servers.x_client import Clock, client_of

DROB = Handle("drob")
COLUMNS = ["id", "handle", "created_at", "text", "lang", "kind"]  # the others tell the source
FIRST = 3_000  # posts that are there on the first day; X gives no more than 3,200 at a time
KILLS = 10


@pytest.fixture(scope="module")
def table_posts(real_posts: Path) -> list[Post]:
    source = open_file_source(real_posts / "drob.csv", DROB)
    return sorted((p for batch in source.batches(None) for p in batch), key=lambda p: int(p.id))


@pytest.fixture(scope="module")
def imported(table_posts: list[Post], tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    storage = open_storage(str(tmp_path_factory.mktemp("table")))
    append(storage, DROB, [table_posts], scraped_at=datetime(2026, 1, 1, tzinfo=UTC))
    return read(storage, DROB).select(COLUMNS)


def short_pages(draw: random.Random) -> Any:
    """Pages of any size, a tenth of them empty."""
    return lambda asked: 0 if draw.random() < 0.1 else draw.randint(asked // 3, asked)


class Storm:
    """A fault on almost every second request, of every kind that passes."""

    def __init__(self, draw: random.Random, clock: Clock) -> None:
        self._draw = draw
        self._clock = clock
        self.seen: Counter[str] = Counter()

    def __call__(self, _request: Request) -> Fault | None:
        if self._draw.random() < 0.55:
            return None
        name = self._draw.choice(["503", "html", "half", "list", "cut", "reset", "pause", "slow"])
        self.seen[name] += 1
        return {
            "503": Fault(503, {"title": "Service Unavailable", "detail": "Try again"}),
            "html": Fault(200, b"<html>over capacity</html>"),
            "half": Fault(200, b'{"data": [{"id": "12'),
            "list": Fault(500, [{"message": "Internal error"}]),
            "cut": Fault(cut=self._draw.randint(1, 5_000)),
            "reset": Fault(cut=0),
            "pause": Fault(429, headers={"x-rate-limit-reset": str(int(self._clock.now + 9))}),
            "slow": Fault(delay=0.01),
        }[name]


def scraped_to_the_end(storage: Storage, api: XApi, clock: Clock) -> int:
    """Call until a scrape comes to its end, as nights do; returns the calls."""
    settings = Settings(x_budget_run=None, x_budget_month=None)
    for calls in range(1, 100):
        try:
            budget = open_budget(storage, settings, f"night {calls}", clock.pace())
            scrape_account(DROB, client_of(api, clock), budget)
        except TransientError:
            clock.now += 86_400
        else:
            return calls
    raise AssertionError("never came to its end")


def test_a_storm_changes_nothing(storage: Storage, table_posts: list[Post], imported: pa.Table):
    draw, clock = random.Random(7), Clock()
    storm = Storm(draw, clock)
    with running_x_api() as api:
        api.storm, api.page_size, api.clock = storm, short_pages(draw), lambda: clock.now
        account = api.add(Account("1", "drob", posts=as_api_posts(table_posts[:FIRST])))
        calls = scraped_to_the_end(storage, api, clock)
        assert watermark(storage, DROB, "x_api") == table_posts[FIRST - 1].id
        account.posts = as_api_posts(table_posts)
        calls += scraped_to_the_end(storage, api, clock)
        requests = len(api.requests)
    assert read(storage, DROB).select(COLUMNS).equals(imported)
    assert watermark(storage, DROB, "x_api") == table_posts[-1].id
    assert len(storm.seen) == 8
    print(  # noqa: T201 - what was measured
        f"{requests} requests in {calls} scrapes, {storm.seen.total()} faults {dict(storm.seen)}"
    )


def start(api: XApi, storage: Storage) -> subprocess.Popen[str]:
    program = Path(__file__).with_name("x_scrape_process.py")
    return subprocess.Popen(
        [sys.executable, str(program), api.url, storage.url, TOKEN],
        stdout=subprocess.PIPE,
        text=True,
    )


def asked_for_pages(api: XApi) -> int:
    return sum(path.endswith("/tweets") for path, _ in api.requests)


def killed(process: subprocess.Popen[str], api: XApi, draw: random.Random) -> None:
    """SIGKILL at a random moment after the first request for posts."""
    before, deadline = asked_for_pages(api), time.monotonic() + 60
    while asked_for_pages(api) == before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.2))
    assert process.poll() is None, "it came to its end before it was killed"
    process.kill()
    process.wait(10)
    time.sleep(0.05)  # an answer may still be on its way out to nobody


@pytest.mark.chaos
def test_sigkill_at_any_moment_loses_nothing_and_fetches_at_most_a_page_twice(
    storage: Storage, table_posts: list[Post], imported: pa.Table
):
    draw = random.Random()
    went_out: list[list[list[str]]] = []
    with running_x_api() as api:
        api.page_size = short_pages(random.Random(3))
        api.storm = lambda _: Fault(delay=0.01)
        account = api.add(Account("1", "drob", posts=as_api_posts(table_posts[:FIRST])))
        for _ in range(KILLS):
            killed(start(api, storage), api, draw)
            went_out.append(api.pages)
            api.pages = []
        assert load_position(storage, DROB, "x_api") is not None
        assert watermark(storage, DROB, "x_api") is None  # there is a gap below the newest post
        for there in (FIRST + 200, len(table_posts)):  # new ones came in the meantime, and after
            account.posts = as_api_posts(table_posts[:there])
            told = start(api, storage).communicate(timeout=60)[0]
            assert f"stored={there}" in told
            went_out.append(api.pages)
            api.pages = []
    assert read(storage, DROB).select(COLUMNS).equals(imported)
    again = fetched_again(went_out)
    assert max(again) <= PAGE
    charged = spent(storage, f"{datetime.now(UTC):%Y-%m}")
    assert charged.posts >= len(table_posts)
    print(  # noqa: T201 - what was measured
        f"{KILLS} kills: {again} posts fetched again by each run, {charged.posts} posts charged"
    )
