"""What the posts of a paid source cost, and the budgets that limit it.

Each charge is a file below `ledger/<month>/`. Its name holds the amounts, so that a sum needs only
a list of names. No file is overwritten, so that concurrent runs, on any number of machines, cannot
lose each other's charges.

A request is charged before it is sent, at the most that it can cost, and corrected when its answer
is there: two requests at a time cannot both spend the last dollar, and a run that is killed in
between has charged too much rather than too little.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from tasks.core.errors import BudgetExceeded
from tasks.core.names import Handle
from tasks.core.records import digest
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

_FOLDER = "ledger"
_NAME = re.compile(r"(\d+)-(\d+)-(\d+)-([0-9a-f]{16})-[0-9a-f]{32}\.json")
_MILLIONTHS = 1_000_000


@dataclass(frozen=True)
class Spending:
    """A sum of charges.

    posts, users: numbers that were returned; dollars: their price.
    """

    posts: int = 0
    users: int = 0
    dollars: float = 0.0


@dataclass(frozen=True)
class Prices:
    """Dollars a returned post, and a user looked up."""

    post: float
    user: float

    def of(self, posts: int, users: int) -> Spending:
        """The price of so many."""
        dollars = posts * self.post + users * self.user
        return Spending(posts, users, round(dollars * _MILLIONTHS) / _MILLIONTHS)


@dataclass(frozen=True)
class _Charge:
    """A file's content, for people to read; sums are computed from the names.

    at: ISO 8601, UTC; handle: None once the account was removed.
    """

    at: str
    run: str
    handle: str | None
    posts: int
    users: int
    dollars: float


_CHARGES = StateFiles(
    _FOLDER, _Charge, remedy="delete it; budgets then no longer count it", subject="ledger "
)


@dataclass
class Bill:
    """What a request returned; its sender fills it in."""

    posts: int = 0
    users: int = 0


def spent(storage: Storage, month: str, run: str | None = None) -> Spending:
    """The charges of a month (`2026-08`), or of one run in it. Raises StorageUnusable."""
    wanted = None if run is None else _run_id(run)
    posts = users = millionths = 0
    for key in storage.keys(f"{_FOLDER}/{month}"):
        found = _NAME.fullmatch(PurePosixPath(key).name)
        if found and wanted in (None, found[4]):
            millionths += int(found[1])
            posts += int(found[2])
            users += int(found[3])
    return Spending(posts, users, millionths / _MILLIONTHS)


def spent_by_run(storage: Storage, run: str) -> Spending:
    """The charges of a run, in the last two months: it may have begun in the earlier one."""
    months = [PurePosixPath(key).name for key in storage.folders(_FOLDER)][-2:]
    sums = [spent(storage, month, run) for month in months]
    return Spending(
        sum(each.posts for each in sums),
        sum(each.users for each in sums),
        sum(each.dollars for each in sums),
    )


def anonymise_charges(storage: Storage, handle: Handle) -> int:
    """Remove a handle's name from its charges, which stay counted; returns how many had it.

    Raises DamagedState, StorageUnusable.
    """
    found = 0
    for month in storage.folders(_FOLDER):
        for name in _CHARGES.names(storage, PurePosixPath(month).name):
            charge = _CHARGES.load(storage, name)
            if charge is not None and charge.handle == handle.name:
                _CHARGES.save(storage, name, replace(charge, handle=None))
                found += 1
    return found


def _run_id(run: str) -> str:
    """A run as the names of files have it."""
    return digest(run)[:16]


@dataclass(frozen=True)
class ScrapeBudget:
    """What one run may spend.

    run: its name; a run that is restarted keeps it.
    run_limit, month_limit: dollars, or None for no limit.
    now: the time, aware; a charge counts in the month (UTC) in which it was made.
    """

    storage: Storage
    run: str
    prices: Prices
    run_limit: float | None
    month_limit: float | None
    now: Callable[[], datetime]

    def estimate(self, handle: Handle, posts: int, users: int = 0) -> Spending:
        """The price of so many posts and users. Raises BudgetExceeded where it is too high."""
        needed = self.prices.of(posts, users)
        self._refuse_above(handle, needed, already_charged=False)
        return needed

    @contextmanager
    def paying(self, handle: Handle, posts: int, users: int) -> Iterator[Bill]:
        """Charge a request that returns at most so many; the block puts what came into the bill.

        A request that fails costs nothing. Raises BudgetExceeded before the request.
        """
        most, bill = self.prices.of(posts, users), Bill()
        month = self._month()
        held = self._charge(handle, most, month)
        try:
            self._refuse_above(handle, most, already_charged=True)
            yield bill
        finally:
            # This first: then too much is counted for a moment, and never too little.
            if bill.posts or bill.users:
                self._charge(handle, self.prices.of(bill.posts, bill.users), month)
            self.storage.delete(_CHARGES.key(held))

    def _charge(self, handle: Handle, cost: Spending, month: str) -> str:
        amounts = f"{round(cost.dollars * _MILLIONTHS)}-{cost.posts}-{cost.users}"
        name = f"{month}/{amounts}-{_run_id(self.run)}-{uuid.uuid4().hex}"
        at = self.now().astimezone(UTC).isoformat()
        charge = _Charge(at, self.run, handle.name, cost.posts, cost.users, cost.dollars)
        _CHARGES.save(self.storage, name, charge)
        return name

    def _refuse_above(self, handle: Handle, needed: Spending, *, already_charged: bool) -> None:
        if needed.dollars == 0:
            return
        mine = needed.dollars if already_charged else 0
        if self.run_limit is not None:
            left = self.run_limit - spent_by_run(self.storage, self.run).dollars + mine
            _refuse_if_short(handle, needed, left, "RUN", self.run_limit)
        if self.month_limit is not None:
            left = self.month_limit - spent(self.storage, self._month()).dollars + mine
            _refuse_if_short(handle, needed, left, "MONTH", self.month_limit)

    def _month(self) -> str:
        return f"{self.now().astimezone(UTC):%Y-%m}"


def _refuse_if_short(
    handle: Handle, needed: Spending, left: float, name: str, budget: float
) -> None:
    if needed.dollars > left + 0.5 / _MILLIONTHS:
        raise BudgetExceeded(
            f"@{handle}: skipped: budget: up to {needed.posts:,} posts and {needed.users} users "
            f"would cost ${needed.dollars:,.2f}, and ${max(left, 0):,.2f} of the {name.lower()}'s "
            f"${budget:,.2f} are left: raise HUGGINGTWEETS_X_BUDGET_{name}"
        )
