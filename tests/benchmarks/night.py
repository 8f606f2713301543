"""A night of many bots that have a few new posts each, end to end, against one from the base.

    python -m tests.benchmarks.night [--bots N] [--posts N] [--share X]

Each bot is made of a stretch of a real account's posts (../shared/tweets). In the first night all
are trained from the base, as in each night before there were warm starts. Then each has the share X
of new posts, and the command `retrain` brings all up to date. Seconds are of the wall and of all
processes of the command, its Prefect server included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
from pyarrow import csv
from rich.console import Console
from rich.table import Table

from tests.benchmarks.accounts import REAL_POSTS, stored_posts
from tests.benchmarks.warm_starts import FILES

COMMAND = Path(sys.executable).with_name("huggingtweets")
ACCOUNTS = ("drob", "juliasilge")  # which have dates


@dataclass(frozen=True)
class Night:
    """What retraining all bots came to. wall, processor: seconds."""

    wall: float
    processor: float
    outcomes: list[dict[str, Any]]

    def with_status(self, status: str) -> list[dict[str, Any]]:
        """The outcomes of this status."""
        return [each for each in self.outcomes if each["outcome"] == status]


def main(words: list[str]) -> int:
    """Measure and print; 0 where both nights have released every bot."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.night")
    parser.add_argument("--bots", type=int, default=20)
    parser.add_argument("--posts", type=int, default=200, help="of each bot, before the filter")
    parser.add_argument("--share", type=float, default=0.05, help="new posts, of these")
    asked = parser.parse_args(words)
    accounts, new = _posts(), round(asked.posts * asked.share)
    nights = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, posts in (("from the base", asked.posts), ("the next", asked.posts + new)):
            for number in range(asked.bots):
                stretch = _stretch(accounts, number, asked.posts + new)
                _write(stretch.slice(0, posts), folder / "tables" / f"bot{number}.csv")
            nights[name] = _retrain(folder / "tables", folder / "storage")
            _print(nights)
    return int(any(len(night.with_status("released")) < asked.bots for night in nights.values()))


def _posts() -> list[pa.Table]:
    """Of each account all posts, the oldest first."""
    tables = [stored_posts(name, REAL_POSTS / FILES[name]) for name in ACCOUNTS]
    return [table.select(["id", "created_at", "text"]).sort_by("created_at") for table in tables]


def _stretch(accounts: list[pa.Table], number: int, size: int) -> pa.Table:
    """The posts of a bot: of the accounts in turn, the newest that no earlier bot has."""
    table = accounts[number % len(accounts)]
    end = table.num_rows - number // len(accounts) * size
    if end < size:
        raise SystemExit(f"too few posts for bot {number}: ask for fewer")
    return table.slice(end - size, size)


def _write(table: pa.Table, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    csv.write_csv(table, file)


def _retrain(tables: Path, storage: Path) -> Night:
    """Retrain all bots with the posts of these tables, through the command."""
    names = sorted(file.stem for file in tables.iterdir())
    words = ["retrain", *names, "--base", "embedded", "--json"]
    for name in names:
        words += ["--source", f"{name}={tables / name}.csv"]
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "PREFECT_HOME": home,
            "HUGGINGTWEETS_STORAGE": str(storage),
            "HUGGINGTWEETS_TRACKING": "false",
            "HUGGINGTWEETS_AVATARS": "off",
        }
        begun, used = time.monotonic(), _processor()
        done = subprocess.run(
            [COMMAND, *words], env=environment, stdout=subprocess.PIPE, check=False
        )
        wall, processor = time.monotonic() - begun, _processor() - used
    if done.returncode not in (0, 1):
        raise SystemExit(f"the command ended with {done.returncode}")
    return Night(wall, processor, json.loads(done.stdout))


def _processor() -> float:
    """Processor seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print(nights: dict[str, Night]) -> None:
    table = Table(title="A night of bots with a few new posts each")
    for column in (
        "night", "bots", "released", "held back", "wall s", "processor s", "a bot", "loss",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for name, night in nights.items():
        number = len(night.outcomes)
        released = night.with_status("released")
        table.add_row(
            name, str(number), str(len(released)), str(len(night.with_status("held_back"))),
            f"{night.wall:.0f}", f"{night.processor:.0f}", f"{night.processor / number:.1f}",
            f"{mean(each['held_out_loss'] for each in released):.3f}" if released else "–",
        )  # fmt: skip
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
