"""Limits hold across processes: the stand-in counts what reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from starlette.requests import Request

from tasks.core.names import Handle
from tasks.orchestration.limits import create_limit, limits_of, rate_name, scrapes_name
from tests.sample_posts import posts_by
from tests.servers.x_api import TOKEN, Account, Fault, XApi, as_api_posts, running_x_api

pytestmark = pytest.mark.usefixtures("prefect_server")
START = datetime(2026, 1, 1, tzinfo=UTC)
RATE = 4  # requests a second
# One flow run in a process of its own, as a worker starts them.
SCRAPE = """
import sys
from prefect import flow
from tasks.core.names import Bot
from tasks.scrape import fetch

@flow
def one(name: str) -> None:
    fetch(Bot.parse(name), {name: "x_api"})

one(sys.argv[1])
"""


@contextmanager
def limited(name: str, limit: int, decay: float) -> Iterator[None]:
    """An operator's own limit for as long as the block runs."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectNotFound):  # another test may have had it made
            client.delete_global_concurrency_limit_by_name(name)
        wanted = GlobalConcurrencyLimitCreate(name=name, limit=limit, slot_decay_per_second=decay)
        client.create_global_concurrency_limit(wanted)
        try:
            yield
        finally:
            client.delete_global_concurrency_limit_by_name(name)
            for usual in limits_of("x_api"):
                create_limit(usual)


@contextmanager
def serving(names: list[str], pages: int, delay: float = 0) -> Iterator[tuple[XApi, list[float]]]:
    """X with accounts of so many pages each; and when each request came, in seconds."""
    times: list[float] = []

    def noted(_request: Request) -> Fault:
        times.append(time.monotonic())
        return Fault(delay=delay)

    with running_x_api() as api:
        for number, name in enumerate(names):
            posts = posts_by(Handle(name), 100 * pages)
            api.add(Account(str(number + 1), name, posts=as_api_posts(posts)))
        api.storm = noted
        yield api, times


def scrape_in_parallel(api: XApi, names: list[str], folder: Path) -> None:
    environment = {
        **os.environ,
        "PREFECT_API_URL": str(get_current_settings().api.url),
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "HUGGINGTWEETS_X_API_URL": api.url,
        "HUGGINGTWEETS_X_BEARER_TOKEN": TOKEN,
        "HUGGINGTWEETS_X_ACCEPT_TERMS": "true",
        "HUGGINGTWEETS_STORAGE": str(folder / "storage"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    commands = [[sys.executable, "-c", SCRAPE, name] for name in names]
    workers = [
        subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE)
        for command in commands
    ]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said.decode()[-2000:]


def test_two_workers_share_one_rate(tmp_path: Path) -> None:
    names = ["quentin", "rupert"]
    with limited(rate_name("x_api"), RATE, RATE), serving(names, 7) as (api, times):
        scrape_in_parallel(api, names, tmp_path)
    assert len(times) == 2 * (1 + 7), "an account and seven pages each"
    # The rate lets its whole number through at once, and from then on one place a 1/RATE second.
    for begin in times:
        seen = sum(begin <= at < begin + 1 for at in times)
        assert seen <= 2 * RATE, f"{seen} requests in one second"
    assert times[-1] - times[0] >= (len(times) - RATE) / RATE * 0.8


def test_accounts_wait_for_a_place(tmp_path: Path) -> None:
    names = ["sybil", "trent"]
    with limited(scrapes_name("x_api"), 1, 0), serving(names, 5, 0.3) as (api, _):
        scrape_in_parallel(api, names, tmp_path)
        pages = [path for path, _ in api.requests if path.endswith("/tweets")]
    assert len(pages) == 2 * 5
    turns = [path for path, _ in groupby(pages)]
    assert len(turns) == 2, f"the accounts were read at the same time: {turns}"
