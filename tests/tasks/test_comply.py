from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.comply import Before, Complied
from tasks.comply import comply as comply_with
from tasks.core.errors import BudgetExceeded, ServerTrouble
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.settings import Settings
from tasks.ingest.checkable import accounts_to_check
from tasks.ingest.ledger import ScrapeBudget, spent
from tasks.ingest.x_comply import drop_gone
from tasks.ingest.x_scrape import open_budget, scrape_account
from tasks.lake.posts import append, read, state
from tasks.registry.due_marks import due_marks
from tasks.sources.x_api.client import XApiClient
from tasks.storage import Storage
from tests.servers.x_api import Account, Fault, XApi, as_api_posts, running_x_api
from tests.servers.x_client import Clock, client_of

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def post(number: int, source: str = "x_api") -> Post:
    return Post(str(number), ALICE, NOW, f"post {number}", "en", Kind.POST, source, "{}")


def comply(handle: Handle, client: XApiClient, budget: ScrapeBudget) -> Complied:
    def drop(before: Before) -> tuple[int, int]:
        return drop_gone(handle, client, budget, before)

    return comply_with(budget.storage, handle, "x_api", drop)


@pytest.fixture
def api() -> Iterator[XApi]:
    with running_x_api() as served:
        served.add(Account("7", "alice", posts=as_api_posts(map(post, range(1, 131)))))
        yield served


@pytest.fixture
def budget(storage: Storage) -> ScrapeBudget:
    settings = Settings(x_budget_run=None, x_budget_month=None)
    return open_budget(storage, settings, "comply", Clock().pace())


@pytest.fixture
def lake(api: XApi, storage: Storage, budget: ScrapeBudget) -> Storage:
    """130 posts of the API and one of an archive, which X never had."""
    scrape_account(ALICE, client_of(api), budget)
    append(storage, ALICE, [[post(999, "x_archive")]], scraped_at=NOW)
    return storage


def test_nothing_is_dropped_while_all_is_shown(api: XApi, lake: Storage, budget: ScrapeBudget):
    before = state(lake, ALICE)
    assert comply(ALICE, client_of(api), budget) == Complied(ALICE, 130, 0)
    assert state(lake, ALICE) == before
    assert spent(lake, "2030-03").posts == 260


def corpus_of(lake: Storage, name: str, ids: list[str]) -> str:
    """A corpus file of a bot with these posts of alice, and one of somebody else."""
    columns = {"handle": ["alice"] * len(ids) + ["bob"], "id": [*ids, "1"]}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    key = f"corpora/{name}/{len(ids)}.parquet"
    lake.write(key, sink.getvalue().to_pybytes())
    return key


def test_deleted_posts_go_and_the_bots_become_due(api: XApi, lake: Storage, budget: ScrapeBudget):
    before = state(lake, ALICE).digest
    clean = corpus_of(lake, "alice", ["6", "7", "8"])
    tainted = [corpus_of(lake, "alice", ["5", "6"]), corpus_of(lake, "alice-bob", ["5"])]
    others = corpus_of(lake, "bob", [])
    api.accounts["7"].posts = as_api_posts(map(post, range(6, 131)))
    due = ("alice", "alice-bob")
    assert comply(ALICE, client_of(api), budget) == Complied(ALICE, 130, 5, 2, due)
    assert [lake.exists(key) for key in (clean, others, *tainted)] == [True, True, False, False]
    assert tuple(sorted(due_marks(lake))) == due
    assert due_marks(lake)["alice"].reason == "posts of @alice are gone from X"
    left = [*map(str, range(6, 131)), "999"]
    assert sorted(read(lake, ALICE)["id"].to_pylist(), key=int) == left
    assert state(lake, ALICE).digest != before


@pytest.mark.parametrize("account_state", ["protected", "suspended", "missing"])
def test_of_an_account_that_is_gone_only_its_archive_stays(
    api: XApi, lake: Storage, budget: ScrapeBudget, account_state: str
):
    api.accounts["7"].state = account_state
    assert comply(ALICE, client_of(api), budget) == Complied(ALICE, 130, 130)
    assert read(lake, ALICE)["id"].to_pylist() == ["999"]


SILENT = {"data": [{"id": "5000", "text": "another"}]}
UNEXPLAINED = {"errors": [{"resource_id": "1", "title": "Service Unavailable"}]}


@pytest.mark.parametrize("answer", [SILENT, UNEXPLAINED])
def test_silence_is_not_deletion(api: XApi, lake: Storage, budget: ScrapeBudget, answer: object):
    api.faults = [Fault(200, answer)] * 2
    assert comply(ALICE, client_of(api), budget).dropped == 0


@pytest.mark.parametrize(
    "answer", [{}, {"data": 7}, {"errors": {}}, {"errors": [7]}, {"errors": [{"title": "Down"}]}]
)
def test_a_strange_answer_drops_nothing(
    api: XApi, lake: Storage, budget: ScrapeBudget, answer: object
):
    api.faults = [Fault(200, answer)] * 9
    with pytest.raises(ServerTrouble):
        comply(ALICE, client_of(api), budget)
    assert state(lake, ALICE).rows == 131


def test_what_a_check_costs_is_seen_before(api: XApi, lake: Storage):
    small = open_budget(lake, Settings(x_budget_run=0.6), "comply again", Clock().pace())
    with pytest.raises(BudgetExceeded, match=r"up to 130 posts .* \$0\.65"):
        comply(ALICE, client_of(api), small)


def test_an_account_is_checked_with_each_service_that_gave_posts(lake: Storage):
    append(lake, ALICE, [[post(1_000, "community_archive")]], scraped_at=NOW)
    append(lake, Handle("bob"), [[post(1, "table")]], scraped_at=NOW)
    pairs = [(ALICE, "community_archive"), (ALICE, "x_api")]
    assert accounts_to_check(lake) == pairs
    assert accounts_to_check(lake, [Handle("bob")]) == []
