"""Whole scrapes of accounts into the lake, against the stand-in over real HTTP."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.core.errors import (
    AccountNotFound,
    AccountProtected,
    AccountRenamed,
    AccountSuspended,
    BudgetExceeded,
    RateLimited,
    SourceExhausted,
    TermsNotAccepted,
    TokenRefused,
)
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.settings import Settings
from tasks.ingest.accounts import load_profile, watermark
from tasks.ingest.ledger import ScrapeBudget, spent
from tasks.ingest.scrape_state import (
    Position,
    load_account,
    load_position,
    save_position,
)
from tasks.ingest.x_scrape import XScraped, expected_posts, open_budget, open_client, scrape_account
from tasks.lake.posts import append, read
from tasks.storage import Storage
from tests.servers.x_api import TOKEN, Account, Fault, Window, XApi, as_api_posts, running_x_api
from tests.servers.x_client import Clock, client_of

ALICE = Handle("alice")
FREE = Settings(x_budget_run=None, x_budget_month=None)
WEEK = 7 * 86_400
MONTH = "2030-03"


def some_posts(numbers: Any, handle: Handle = ALICE) -> list[dict[str, Any]]:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return as_api_posts(
        Post(str(n), handle, created, f"post {n}", "en", Kind.POST, "x_api", "") for n in numbers
    )


@pytest.fixture(scope="module")
def server() -> Iterator[XApi]:
    with running_x_api() as api:
        yield api


@pytest.fixture
def api(server: XApi) -> XApi:
    """The server as new, with @alice's 250 posts."""
    vars(server).update(vars(XApi(url=server.url)))
    server.add(Account("7", "alice", posts=some_posts(range(1, 251))))
    return server


class Night:
    """Scrapes of @alice with one lake, one server and one clock."""

    def __init__(self, storage: Storage, api: XApi, settings: Settings = FREE) -> None:
        self.storage, self.api, self.settings = storage, api, settings
        self.clock = Clock()

    def budget(self, run: str = "night") -> ScrapeBudget:
        return open_budget(self.storage, self.settings, run, self.clock.pace())

    def __call__(self, *, run: str = "night", again: bool = False) -> XScraped:
        client = client_of(self.api, self.clock)
        return scrape_account(ALICE, client, self.budget(run), again=again)

    def stored(self) -> list[int]:
        return sorted(map(int, read(self.storage, ALICE)["id"].to_pylist()))


@pytest.fixture
def night(storage: Storage, api: XApi) -> Night:
    return Night(storage, api)


def test_a_first_scrape_brings_all_and_a_later_one_only_what_is_new(night: Night):
    assert night() == XScraped(ALICE, 250, 250, 250)
    assert watermark(night.storage, ALICE, "x_api") == "250"
    night.api.accounts["7"].posts += some_posts([251, 252])
    assert night() == XScraped(ALICE, 2, 2, 252)
    assert night.stored() == list(range(1, 253))
    assert night.api.requests[-1][1]["since_id"] == "250"
    assert load_position(night.storage, ALICE, "x_api") is None


def test_the_account_is_shown_by_its_profile(night: Night):
    night()
    profile = load_profile(night.storage, ALICE)
    assert profile is not None
    assert profile.display_name == "Somebody"


def test_an_account_is_looked_up_again_after_a_week(night: Night):
    night()
    before = len(night.api.requests)
    night.clock.now += WEEK - 60
    night()
    assert len(night.api.requests) == before + 1
    night.api.accounts["7"].name = "Somebody Else"
    night.clock.now += 120
    night()
    assert len(night.api.requests) == before + 3
    profile = load_profile(night.storage, ALICE)
    assert profile is not None
    assert profile.display_name == "Somebody Else"


def test_accounts_with_nothing_new_cost_one_request_and_no_post(
    storage: Storage, api: XApi, capsys: pytest.CaptureFixture[str]
):
    names = [Handle(f"bot_{number}") for number in range(50)]
    for number, handle in enumerate(names, 100):
        api.add(Account(str(number), handle.name, posts=some_posts([number], handle)))
    clock = Clock()
    client, settings = client_of(api, clock), Settings(x_budget_run=None, x_budget_month=50)
    budget = open_budget(storage, settings, "first day", clock.pace())
    for handle in names:
        scrape_account(handle, client, budget)
    clock.now += 86_400
    charged, first_day = spent(storage, MONTH), len(api.requests)
    budget = open_budget(storage, settings, "the night after", clock.pace())
    found = [scrape_account(handle, client, budget) for handle in names]
    requests = len(api.requests) - first_day
    assert (requests, sum(each.seen for each in found)) == (50, 0)
    assert spent(storage, MONTH) == charged
    with capsys.disabled():
        print(f"\n50 accounts with nothing new: {requests} requests, 0 posts")  # noqa: T201


def test_a_subset_by_chance_never_shrinks_what_is_stored(night: Night):
    draw = random.Random(1)
    night.api.shows = lambda _: draw.random() < 0.6
    night()
    before = set(night.stored())
    assert before < set(range(1, 251))
    for _ in range(20):
        night(again=True)
        assert before <= set(night.stored())
        before = set(night.stored())
    assert before == set(range(1, 251))


def test_an_edit_replaces_the_version_before_it(night: Night):
    night()
    edited = {**some_posts([251])[0], "text": "right", "edit_history_tweet_ids": ["250", "251"]}
    night.api.accounts["7"].posts[-1] = edited
    night()
    assert night.stored() == [*range(1, 250), 251]
    assert read(night.storage, ALICE)["text"].to_pylist()[-1] == "right"


def test_a_long_pause_keeps_what_came_and_goes_on_from_there(night: Night):
    night.api.clock, night.api.window = lambda: night.clock.now, Window(2, 900)
    with pytest.raises(RateLimited) as limit:
        night()
    assert limit.value.next_attempt_at is not None
    assert night.stored() == list(range(151, 251))
    assert watermark(night.storage, ALICE, "x_api") is None
    assert load_position(night.storage, ALICE, "x_api") == Position(None, "250", "151", 100)
    night.api.accounts["7"].posts += some_posts([251])
    night.clock.now = limit.value.next_attempt_at.timestamp()
    night.api.window = None
    night.api.pages = []
    assert night() == XScraped(ALICE, 151, 151, 251)
    assert [len(page) for page in night.api.pages] == [100, 50, 1]


def test_a_position_that_was_not_taken_away_does_no_harm(night: Night):
    night()
    save_position(night.storage, ALICE, "x_api", Position(None, "250", "1", 250))
    night.api.pages = []
    night()
    assert night.api.pages == [[]]
    assert load_position(night.storage, ALICE, "x_api") is None


def test_posts_of_an_archive_are_not_stored_twice(night: Night):
    written = datetime(2020, 1, 1, tzinfo=UTC)
    post = Post("250", ALICE, written, "post 250", "en", Kind.POST, "x_archive", "{}")
    append(night.storage, ALICE, [[post]], scraped_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert night() == XScraped(ALICE, 249, 250, 250)


def test_an_account_whose_archive_was_imported_is_fetched_once(night: Night):
    posts = [
        Post(str(n), ALICE, None, f"post {n}", None, Kind.POST, "x_archive", "{}")
        for n in range(1, 251)
    ]
    append(night.storage, ALICE, [posts], scraped_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert night().seen == 250
    assert night().seen == 0


def test_an_account_without_posts(night: Night):
    night.api.accounts["7"].posts = []
    assert night() == XScraped(ALICE, 0, 0, 0)
    assert watermark(night.storage, ALICE, "x_api") is None


def test_a_renamed_account_is_named(night: Night):
    night()
    night.api.accounts["7"].username = "alicia"
    night.clock.now += WEEK
    with pytest.raises(AccountRenamed, match=r"@alice: the account is @alicia now"):
        night()


def test_a_suspended_account_is_not_taken_for_a_renamed_one(night: Night):
    night()
    night.api.accounts["7"].username = "x"  # the handle is nobody's
    night.api.accounts["7"].state = "suspended"
    night.clock.now += WEEK
    with pytest.raises(AccountSuspended):
        night()


def test_an_account_that_is_gone_is_not_found(night: Night):
    night.api.accounts["7"].state = "missing"
    with pytest.raises(AccountNotFound):
        night()


def test_trouble_with_a_known_account_is_looked_into(night: Night):
    night()
    del night.api.accounts["7"]
    night.api.add(Account("8", "alice"))
    with pytest.raises(AccountRenamed, match="belongs to another account"):
        night()  # though the account was looked up today


def test_trouble_that_the_look_up_does_not_explain_stays(night: Night):
    night()
    night.api.faults = [Fault(403, {"title": "Forbidden", "detail": "withheld"})]
    with pytest.raises(Exception, match="withheld"):
        night()
    assert night.api.requests[-1][0].endswith("/alice")


def test_an_account_that_closes_while_it_is_first_read(night: Night):
    gone = Fault(200, {"errors": [{"title": "Authorization Error"}]})
    night.api.storm = lambda request: gone if request.url.path.endswith("/tweets") else None
    with pytest.raises(AccountProtected):
        night()
    assert len(night.api.requests) == 2  # it had just been looked up


def test_an_account_that_closes_keeps_its_posts_until_somebody_drops_them(night: Night):
    night()
    night.api.accounts["7"].state = "protected"
    with pytest.raises(AccountProtected):
        night()
    assert len(night.stored()) == 250


@pytest.mark.parametrize(
    "fault", [Fault(402, {"title": "CreditsDepleted"}), Fault(429, {"type": "x/usage-capped"})]
)
def test_what_is_used_up_stops_the_run_and_no_other(night: Night, fault: Fault):
    night.api.faults = [fault]
    for _ in range(3):
        with pytest.raises(SourceExhausted, match="@alice"):
            night()
    assert len(night.api.requests) == 1
    assert night(run="tomorrow").stored == 250


def test_a_budget_too_small_for_the_account_skips_it(night: Night):
    night.settings = Settings(x_budget_run=1)
    with pytest.raises(BudgetExceeded, match=r"skipped: budget: up to 250 posts .* \$1\.25, and"):
        night()
    assert [path for path, _ in night.api.requests] == ["/2/users/by/username/alice"]
    assert night.stored() == []
    night.settings = Settings(x_budget_run=3)
    assert night(run="richer").stored == 250
    assert spent(night.storage, MONTH).posts == 250
    assert spent(night.storage, MONTH).users == 1


def test_a_budget_that_ends_in_the_middle_keeps_what_came(night: Night):
    night()
    night.api.accounts["7"].posts += some_posts(range(251, 551))  # more than was to be expected
    night.settings = Settings(x_budget_run=1.2, x_budget_month=None)
    with pytest.raises(BudgetExceeded, match="RUN"):
        night(run="poor")
    assert night.stored() == [*range(1, 251), *range(351, 551)]
    assert watermark(night.storage, ALICE, "x_api") == "250"
    assert night(run="next").new == 100
    assert night.stored() == list(range(1, 551))
    assert watermark(night.storage, ALICE, "x_api") == "550"


def test_a_month_that_is_spent_skips_even_the_look_up(night: Night):
    night.settings = Settings(x_budget_month=0)
    with pytest.raises(BudgetExceeded, match="HUGGINGTWEETS_X_BUDGET_MONTH"):
        night()
    assert night.api.requests == []


def test_what_a_scrape_may_bring(night: Night):
    expect = expected_posts
    assert expect(night.storage, ALICE) == 3_200
    night()
    assert expect(night.storage, ALICE) == 100
    assert expect(night.storage, ALICE, again=True) == 250
    account = load_account(night.storage, ALICE, "x_api")
    assert account is not None
    assert account.posts == 250
    save_position(night.storage, ALICE, "x_api", Position(None, "250", "131", 120))
    assert expect(night.storage, ALICE) == 130
    save_position(night.storage, ALICE, "x_api", Position("120", "250", "131", 120))
    assert expect(night.storage, ALICE) == 100


def test_the_source_is_off_until_its_terms_are_accepted(tmp_path: Path):
    with pytest.raises(TermsNotAccepted, match=r"prohibits training.*archive.*X_ACCEPT_TERMS=true"):
        open_client(Settings(x_bearer_token=SecretStr(TOKEN)))


def test_a_token_is_needed():
    with pytest.raises(TokenRefused, match="HUGGINGTWEETS_X_BEARER_TOKEN"):
        open_client(Settings(x_accept_terms=True))


def test_a_client_from_the_settings(api: XApi):
    settings = Settings(x_accept_terms=True, x_bearer_token=SecretStr(TOKEN), x_api_url=api.url)
    assert open_client(settings).account(ALICE).id == "7"


def test_a_token_that_is_refused_stops_the_run(night: Night):
    night.api.token = "another"  # noqa: S105 - so that ours is refused
    with pytest.raises(TokenRefused) as refused:
        night()
    with pytest.raises(SourceExhausted) as stopped:
        night()
    assert TOKEN not in str(refused.value) + str(stopped.value)
    assert len(night.api.requests) == 1
