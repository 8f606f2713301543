from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BudgetExceeded
from tasks.core.names import Handle
from tasks.ingest.ledger import Prices, ScrapeBudget, Spending, spent, spent_by_run
from tasks.storage import Storage, open_storage
from tests.strategies import fixture_shared_by_examples

ALICE = Handle("alice")
NOW = datetime(2026, 8, 31, 23, tzinfo=UTC)
PRICES = Prices(0.005, 0.010)


def budget(
    storage: Storage,
    *,
    run: str = "night",
    of_run: float | None = None,
    of_month: float | None = None,
) -> ScrapeBudget:
    return ScrapeBudget(storage, run, PRICES, of_run, of_month, lambda: NOW)


def pay(of: ScrapeBudget, most: int, came: int, users: int = 0) -> None:
    with of.paying(ALICE, most, users) as bill:
        bill.posts, bill.users = came, users


def test_a_request_costs_what_came(storage: Storage):
    pay(budget(storage), 100, 37)
    pay(budget(storage, run="other"), 100, 100, users=1)
    assert spent(storage, "2026-08") == Spending(137, 1, 0.695)
    assert spent(storage, "2026-08", "night") == Spending(37, 0, 0.185)
    assert spent(storage, "2026-09") == Spending()


def test_nothing_new_leaves_no_charge(storage: Storage):
    pay(budget(storage, of_run=1), 100, 0)
    assert storage.keys("ledger/2026-08") == []


def test_a_request_that_fails_costs_nothing(storage: Storage):
    with pytest.raises(ZeroDivisionError), budget(storage).paying(ALICE, 100, 0):
        raise ZeroDivisionError
    assert spent(storage, "2026-08") == Spending()


def test_a_run_that_is_killed_has_paid_the_most(storage: Storage):
    held = budget(storage).paying(ALICE, 100, 0)
    held.__enter__()
    # Nothing of the process is left, but the ledger is.
    assert spent(open_storage(storage.url), "2026-08").posts == 100


def test_charges_tell_whose_they_are_and_stay_as_they_are(storage: Storage):
    pay(budget(storage), 100, 7)
    before = {key: storage.read(key) for key in storage.keys("ledger/2026-08")}
    pay(budget(storage), 100, 9)
    assert before.items() <= {k: storage.read(k) for k in storage.keys("ledger/2026-08")}.items()
    (key,) = before
    assert storage.read_json(key) == {
        "at": "2026-08-31T23:00:00+00:00",
        "dollars": 0.035,
        "handle": "alice",
        "posts": 7,
        "run": "night",
        "users": 0,
    }


def test_what_lies_there_otherwise_is_no_charge(storage: Storage):
    storage.write("ledger/2026-08/notes.txt", b"?")
    assert spent(storage, "2026-08") == Spending()


def test_an_estimate_above_a_budget_is_refused_with_what_is_needed(storage: Storage):
    pay(budget(storage), 3_200, 3_200)
    month = budget(storage, run="other", of_run=20, of_month=20)
    with pytest.raises(BudgetExceeded) as refused:
        month.estimate(ALICE, 3_200, 1)
    assert str(refused.value) == (
        "@alice: skipped: budget: up to 3,200 posts and 1 users would cost $16.01, and $4.00 of "
        "the month's $20.00 are left: raise HUGGINGTWEETS_X_BUDGET_MONTH"
    )
    assert month.estimate(ALICE, 800) == Spending(800, 0, 4.0)
    with pytest.raises(BudgetExceeded, match="HUGGINGTWEETS_X_BUDGET_RUN"):
        budget(storage, of_run=16).estimate(ALICE, 1)


def test_a_request_above_the_budget_is_not_sent(storage: Storage):
    small = budget(storage, of_run=0.6)
    pay(small, 100, 100)
    with pytest.raises(BudgetExceeded, match=r"\$0\.10 of the run's \$0\.60"):
        pay(small, 100, 100)
    assert spent(storage, "2026-08").posts == 100


def test_what_is_free_is_never_refused(storage: Storage):
    free = ScrapeBudget(storage, "night", Prices(0, 0), 0, 0, lambda: NOW)
    pay(free, 100, 100)
    assert free.estimate(ALICE, 3_200).dollars == 0


def test_a_run_over_the_end_of_a_month_is_one_run_and_two_months(storage: Storage):
    first = budget(storage, of_run=1, of_month=1)
    pay(first, 100, 100)
    later = replace(first, now=lambda: datetime(2026, 9, 1, 1, tzinfo=UTC))
    pay(later, 100, 60)
    assert spent_by_run(storage, "night") == Spending(160, 0, 0.8)
    assert spent(storage, "2026-09").posts == 60
    with pytest.raises(BudgetExceeded, match="RUN"):
        pay(later, 100, 100)


@fixture_shared_by_examples
@given(charges=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 1)), max_size=12))
def test_the_sum_is_exact_in_any_order(storage: Storage, charges: list[tuple[int, int]]):
    storage.delete("ledger")
    for came, users in charges:
        pay(budget(storage), 100, came, users)
    posts, users = sum(c for c, _ in charges), sum(u for _, u in charges)
    assert spent(storage, "2026-08") == Spending(posts, users, PRICES.of(posts, users).dollars)


def test_runs_at_the_same_time_lose_no_charge_and_pass_no_budget(storage: Storage):
    def night(number: int) -> int:
        mine, paid = budget(storage, run=f"night {number}", of_month=10), 0
        for _ in range(12):
            try:
                pay(mine, 100, 50)
                paid += 50
            except BudgetExceeded:
                pass
        return paid

    with ThreadPoolExecutor(6) as pool:
        paid = sum(pool.map(night, range(6)))
    assert spent(storage, "2026-08").posts == paid
    assert 1_000 < paid <= 2_000
