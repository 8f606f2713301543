"""The traces of a real week at Prefect, copied for later weeks: rows, results, tracked runs.

The copies have ids of their own and times so many weeks later. The server that is running has to
remove them when they are too old.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

from tasks.core.settings import settings
from tests.chaos.year import TIMES, WEEK, rows_of
from tests.servers.prefect_site import until

TABLES = ("flow_run", "flow_run_state", "task_run", "task_run_state", "log", "artifact", "events",
          "event_resources", "automation_bucket")  # fmt: skip
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
_TIME = re.compile(r"\b(20\d\d-\d\d-\d\d)(?=[ T]\d\d:)")
MOST = 20_000  # characters of a cell with ids and times; longer ones are pictures
EVENTS_DAYS = 7  # after which the server removes events


class RealWeek:
    """What a week has left in Prefect's home and in the folder of tracked runs."""

    def __init__(self, home: Path, storage: Path) -> None:
        self.database, self.results = home / "prefect.db", home / "storage"
        self.tracked = storage / "wandb"
        self.rows: dict[str, list[tuple[Any, ...]]] = {}
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            for table in TABLES:
                self.rows[table] = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        # Those of flows, workers, limits and automations stay: later weeks have the same ones.
        self.ids = {row_id for table in TABLES for row_id in self._ids(table)}
        # Set aside, since theirs will be removed like those of all weeks.
        self.aside = home.with_name("aside")
        shutil.copytree(
            self.results, self.aside / "results", symlinks=True, copy_function=shutil.copyfile
        )
        shutil.copytree(
            self.tracked, self.aside / "runs", symlinks=True, copy_function=shutil.copyfile
        )

    def _ids(self, table: str) -> Iterator[str]:
        with closing(sqlite3.connect(self.database)) as connection:
            for (row_id,) in connection.execute(f"SELECT id FROM {table}"):  # noqa: S608
                yield row_id

    def copy_to(self, week: int) -> None:
        """Leave the same again, so many weeks later."""
        change = self._changes(timedelta(days=WEEK * week))
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            for table, rows in filter(itemgetter(1), self.rows.items()):
                marks = ", ".join("?" * len(rows[0]))
                copied = [[change(cell) for cell in row] for row in rows]
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", copied)  # noqa: S608
            connection.commit()
        for path in (self.aside / "results").iterdir():
            shutil.copyfile(path, self.results / f"{path.name}.{week}")
        for run in (self.aside / "runs").glob("*/*"):
            copy = self.tracked / run.parent.name / f"{run.name}-{week}"
            shutil.copytree(run, copy, symlinks=True, copy_function=shutil.copyfile)

    def _changes(self, later: timedelta) -> Callable[[Any], Any]:
        """How a cell changes: its ids are new, its times later."""
        new: dict[str, str] = {}

        def another(found: re.Match[str]) -> str:
            if found[0] not in self.ids:
                return found[0]
            return new.setdefault(found[0], str(uuid.uuid4()))

        def moved(found: re.Match[str]) -> str:
            return str((datetime.fromisoformat(found[1]) + later).date())

        def change(cell: Any) -> Any:
            if not isinstance(cell, str) or len(cell) > MOST:
                return cell
            return _TIME.sub(moved, _ID.sub(another, cell))

        return change

    def wait_for_the_server(self, slack: float) -> None:
        """Wait until the server has removed all that is older than it is to keep."""
        days = settings().keep_runs_days

        def is_clean() -> bool:
            _, oldest = rows_of(self.database)
            return all(
                oldest[table] < (EVENTS_DAYS if table == "events" else days) + slack
                for table in TIMES
            )

        until(is_clean, 120, f"the end of what is older than {days} days: {rows_of(self.database)}")
