"""A year of nights on a clock that is set forward a day after each: what stays on the disk?

    python -m tests.chaos.year FOLDER BASE NIGHTS

Twenty bots are due every seventh night and have new posts by then. The first week is real: the flow
`nightly` with tiny trainings, against the Prefect server that `serve` starts. The following nights
select, import, curate, publish, record and tidy up as the flow does, but their trainings are
stand-ins: random weights. What the real week has left at Prefect (rows of its database, results,
tracked runs) is copied for each of their weeks, and it is the server that removes what is too old.

Prints one JSON line every four weeks, see `Footprint`. Needs the environment of a `Clock`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from deployments.serve import BIN, process_environment
from deployments.server.prefect_settings import SERVER_COMMAND
from tests.chaos.clock import Clock
from tests.sample_posts import write_table
from tests.servers.prefect_site import free_port, until

BOTS = 20
WEEK, MONTH = 7, 28  # nights; each bot is due once a week
POSTS, POSTS_A_WEEK = 50, 2
# Days after which the server has removed a row, at the latest: it looks once an hour, and here a
# day passes between two looks.
SLACK = 2
TIMES = {"flow_run": "end_time", "log": "timestamp", "artifact": "created", "events": "occurred"}


@dataclass(frozen=True)
class Footprint:
    """What lies on the disk after so many nights; sizes in bytes, a file of two names once.

    released: releases so far. files: in the storage. storage: their bytes; `weights` of them are
    in so many `weight_files`, `posts` in the lake. database: Prefect's. home_files, home: the other
    files in Prefect's home. rows: of some tables of the database; oldest: the age of their oldest
    row in days.
    """

    night: int
    seconds: int
    released: int
    files: int
    storage: int
    weights: int
    weight_files: int
    posts: int
    database: int
    home_files: int
    home: int
    rows: dict[str, int]
    oldest: dict[str, float]


class Year:
    """The site of a year, in a folder."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base = folder, base
        self.clock = Clock(Path(os.environ["JUMPING_CLOCK"]), Path(os.environ["LD_PRELOAD"]))
        self.registry, self.storage = folder / "bots.yaml", folder / "storage"
        self.home = folder / "prefect"
        self.database = self.home / "prefect.db"
        self.begun, self.released = time.monotonic(), 0

    def write_registry(self) -> None:
        """Twenty weekly bots."""
        bots = [{"handles": [f"bot{n}"], "source": str(self._table(n))} for n in range(BOTS)]
        training = {"epochs": 1, "precision": "fp32"}
        defaults = {"base": str(self.base), "cadence": f"{WEEK}d", "training": training}
        self.registry.write_text(yaml.safe_dump({"defaults": defaults, "bots": bots}))

    def _table(self, number: int) -> Path:
        return self.folder / f"bot{number}.csv"

    def begin_night(self, number: int) -> None:
        """Set the clock; once a week all accounts have written something."""
        self.clock.set(timedelta(days=number))
        if number % WEEK == 0:
            for each in range(BOTS):
                posts = POSTS + POSTS_A_WEEK * (number // WEEK)
                write_table(self._table(each), posts=posts, seed=each)

    def real_night(self) -> None:
        """A night as operators have it."""
        from flows.nightly import nightly

        async def story() -> Any:
            state = await nightly(registry=str(self.registry), here=True, return_state=True)
            return await state.aresult(raise_on_failure=False)

        # A bot that fails, as on a machine with other work, is due again the night after.
        self.released += asyncio.run(story())["counts"].get("released", 0)

    def short_night(self) -> None:
        """A night whose trainings are stand-ins."""
        from tests.chaos.short_nights import pass_night

        counts = pass_night(self.registry)
        if counts.keys() - {"released"}:
            raise AssertionError(counts)
        self.released += counts.get("released", 0)

    def footprint(self, night: int) -> Footprint:
        """What lies there now."""
        stored, homed = sizes(self.storage), sizes(self.home)
        weights = [size for path, size in stored.items() if path.suffix == ".safetensors"]
        posts = [size for path, size in stored.items() if "posts" in path.parts]
        others = {path: size for path, size in homed.items() if "prefect.db" not in path.name}
        rows, oldest = rows_of(self.database)
        return Footprint(
            night=night,
            seconds=round(time.monotonic() - self.begun),
            released=self.released,
            files=len(stored),
            storage=sum(stored.values()),
            weights=sum(weights),
            weight_files=len(weights),
            posts=sum(posts),
            database=sum(homed.values()) - sum(others.values()),
            home_files=len(others),
            home=sum(others.values()),
            rows=rows,
            oldest=oldest,
        )


def sizes(folder: Path) -> dict[Path, int]:
    """The bytes of each file below a folder; of a file with several names, under one of them."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    found = {path: path.stat() for path in paths}
    one = {stat.st_ino: path for path, stat in found.items()}
    return {path: found[path].st_size for path in one.values()}


def rows_of(database: Path) -> tuple[dict[str, int], dict[str, float]]:
    """How many rows the tables have, and the age of the oldest ones in days."""
    rows, oldest = dict[str, int](), dict[str, float]()
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        for table, at in TIMES.items():
            query = f"SELECT count(*), julianday('now') - julianday(min({at})) FROM {table}"  # noqa: S608
            rows[table], age = connection.execute(query).fetchone()
            oldest[table] = round(age or 0.0, 2)
    return rows, oldest


@contextmanager
def served(environment: dict[str, str]) -> Iterator[None]:
    """A Prefect server with limits and automations, as `serve` starts it."""
    url = environment["PREFECT_API_URL"]
    port = url.removesuffix("/api").rpartition(":")[2]
    command = [*SERVER_COMMAND, "--port", port]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            until(lambda: _answers(url), 300, "the server")
            apply = [BIN / "huggingtweets", "infra", "apply"]
            subprocess.run(apply, env=environment, check=True, capture_output=True)
            yield
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def main(folder: str, base: str, nights: str) -> None:
    """Let the nights pass, and print what each month leaves."""
    from tests.chaos.copied_weeks import RealWeek

    os.environ |= process_environment("127.0.0.1", free_port())
    year = Year(Path(folder), Path(base))
    year.write_registry()
    with served(dict(os.environ)):
        for number in range(WEEK):
            year.begin_night(number)
            year.real_night()
        if year.released < BOTS:
            raise AssertionError(f"{year.released} releases in the real week")
        week = RealWeek(year.home, year.storage)
        for number in range(WEEK, int(nights)):
            year.begin_night(number)
            year.short_night()
            if number % WEEK == WEEK - 1:
                week.copy_to(number // WEEK)
                week.wait_for_the_server(SLACK)
            if number % MONTH == MONTH - 1 or number == int(nights) - 1:
                print(json.dumps(asdict(year.footprint(number + 1))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
