"""Whole scrapes from the Community Archive into the lake, and opt-outs, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from tasks.core.errors import (
    AccountNotFound,
    AccountRenamed,
    ServerTrouble,
    SourceStopped,
    TokenRefused,
)
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.core.settings import Settings
from tasks.ingest.accounts import load_profile
from tasks.ingest.community_comply import drop_unserved
from tasks.ingest.community_scrape import (
    Mark,
    load_mark,
    open_community_archive,
    scrape_from_community,
)
from tasks.ingest.scrape_state import load_account
from tasks.lake.posts import Appended, append, read, state
from tasks.sources.pace import ATTEMPTS
from tasks.storage import Storage
from tests.servers.community_archive import KEY, Archive, Fault, running_community_archive
from tests.servers.community_client import client_of, timeline
from tests.servers.x_client import Clock

ALICE = Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = 7 * 86_400


@pytest.fixture(scope="module")
def server() -> Iterator[Archive]:
    with running_community_archive() as archive:
        yield archive


@pytest.fixture
def archive(server: Archive) -> Archive:
    """The server as new, with @alice's 25 posts, in pages of 10."""
    vars(server).update(vars(Archive(url=server.url, cap=10)))
    server.add("Alice", timeline(range(25), ALICE))
    return server


class Night:
    """Scrapes of @alice with one lake, one server and one clock."""

    def __init__(self, storage: Storage, archive: Archive) -> None:
        self.storage, self.archive, self.clock = storage, archive, Clock()

    def __call__(self, run: str = "night") -> Appended:
        client = client_of(self.archive, self.clock)
        return scrape_from_community(ALICE, client, self.storage, run)

    def requests(self, run: str = "night") -> int:
        """How many requests a scrape sends."""
        self.archive.requests.clear()
        self(run)
        return len(self.archive.requests)

    def comply(self) -> tuple[int, int, list[str]]:
        gone: list[str] = []
        client = client_of(self.archive, self.clock)
        return *drop_unserved(ALICE, client, self.storage, gone.extend), sorted(gone)

    def ids(self) -> list[str]:
        return sorted(read(self.storage, ALICE)["id"].to_pylist())


@pytest.fixture
def night(storage: Storage, archive: Archive) -> Night:
    return Night(storage, archive)


def ids(numbers: range) -> list[str]:
    return sorted(str(9_000 + n) for n in numbers)


def test_the_first_scrape_fetches_everything_once(night: Night, storage: Storage) -> None:
    assert night() == Appended(25, 25)
    assert night.ids() == ids(range(25))
    assert [len(page) for page in night.archive.pages] == [10, 10, 5, 0]
    profile = load_profile(storage, ALICE)
    assert profile is not None
    assert profile.display_name == "Alice"
    account = load_account(storage, ALICE, "community_archive")
    assert account is not None
    assert account.id == "1001"
    assert load_mark(storage, ALICE) == Mark(
        "9024", read(storage, ALICE)["created_at"][-1].as_py(), 1
    )


def test_nothing_new_costs_one_request_and_something_new_two(night: Night) -> None:
    night()
    assert night.requests() == 1
    night.archive.post("1001", timeline(range(25, 30), ALICE))
    assert night.requests() == 2
    assert night.ids() == ids(range(30))
    night.clock.now += WEEK
    assert night.requests() == 2, "the account is looked up again"


def test_a_fault_keeps_the_pages_before_it_and_the_next_scrape_goes_on(night: Night) -> None:
    night.archive.faults = [None, None, None, *[Fault.timeout()] * ATTEMPTS]
    with pytest.raises(ServerTrouble, match="57014"):
        night()
    assert len(night.ids()) == 20
    night.archive.pages.clear()
    assert night() == Appended(5, 5)
    pages = [len(page) for page in night.archive.pages]
    assert pages == [7, 0], "two posts of the last instant, and what is new"


def test_a_newer_upload_is_read_whole_within_a_week(night: Night) -> None:
    night.archive.delete(*ids(range(10)))
    night()
    night.archive.post("1001", timeline(range(10), ALICE))
    night.archive.upload("1001")
    assert night() == Appended(0, 0)
    night.clock.now += WEEK
    assert night() == Appended(10, 25)
    assert night.ids() == ids(range(25))
    assert night.requests() == 1


def test_a_dataset_that_is_gone_is_fetched_again(night: Night, storage: Storage) -> None:
    night()
    storage.delete("posts/alice")
    assert night() == Appended(25, 25)


def test_an_account_that_left_is_noticed_by_the_next_scrape(night: Night) -> None:
    night()
    night.archive.delete("9024")
    assert night() == Appended(0, 0), "one post that was deleted is no reason"
    night.archive.tables["all_account"][0]["username"] = "alicia"
    night.archive.tables["tweets"].clear()
    with pytest.raises(AccountRenamed, match="@alicia now"):
        night()
    night.archive.add("bob")
    night.archive.opt_out("1001")
    with pytest.raises(AccountNotFound, match="huggingtweets comply alice"):
        night()


def test_a_refusal_that_concerns_every_account_ends_the_run(night: Night) -> None:
    night.archive.key = "rotated"
    with pytest.raises(TokenRefused, match=r"community-archive\.org/docs"):
        night("tonight")
    asked = len(night.archive.requests)
    with pytest.raises(SourceStopped, match=r"not asked, since .*401"):
        night("tonight")
    assert len(night.archive.requests) == asked
    night.archive.key = KEY
    with pytest.raises(SourceStopped, match="not asked"):
        night("tonight")
    assert night("tomorrow").new == 25


def test_without_a_key_the_guide_is_named() -> None:
    with pytest.raises(TokenRefused, match=r"community-archive\.org/docs .*_COMMUNITY_ARCHIVE_KEY"):
        open_community_archive(Settings())
    assert open_community_archive(Settings(community_archive_key=SecretStr(KEY)))
    assert Settings(community_archive_key="").community_archive_key is None  # type: ignore[arg-type]


def test_who_opted_out_is_dropped_and_the_own_archive_stays(night: Night, storage: Storage) -> None:
    night()
    own = Post("5", ALICE, NOW, "from my archive", "en", Kind.POST, "x_archive", "{}")
    append(storage, ALICE, [[own]], scraped_at=NOW)
    night.archive.add("bob")
    assert night.comply() == (25, 0, [])
    night.archive.opt_out("1001")
    assert night.comply() == (25, 25, ids(range(25)))
    assert night.ids() == ["5"]
    assert night.comply() == (0, 0, [])


def test_deleted_posts_are_dropped_and_what_comes_back_is_fetched_again(night: Night) -> None:
    night()
    night.archive.delete("9003", "9004")
    night.archive.requests.clear()
    assert night.comply() == (25, 2, ["9003", "9004"])
    assert len(night.archive.requests) == 4, "a page holds ten"
    back = [post for post in timeline(range(25), ALICE) if post.id in ("9003", "9004")]
    night.archive.post("1001", back)
    assert night() == Appended(2, 25)
    assert night.ids() == ids(range(25))


def test_posts_of_an_account_that_was_never_saved_are_checked_by_its_name(
    night: Night, storage: Storage
) -> None:
    night()
    storage.delete("accounts/alice")
    assert night.comply() == (25, 0, [])
    night.archive.tables["all_account"][0]["username"] = "alicia"
    assert night.comply()[1] == 25


def test_silence_about_everybody_drops_nothing(night: Night, storage: Storage) -> None:
    night()
    before = state(storage, ALICE)
    night.archive.opt_out("1001")
    with pytest.raises(ServerTrouble, match="shows no account at all"):
        night.comply()
    night.archive.add("bob")
    night.archive.faults = [None, Fault(503)]
    night.archive.storm = lambda _: Fault(503)
    with pytest.raises(ServerTrouble, match="503"):
        night.comply()
    assert state(storage, ALICE) == before


def test_accounts_with_nothing_new_cost_one_request_each(
    storage: Storage, archive: Archive
) -> None:
    handles = [Handle(f"user_{n}") for n in range(20)]  # 200 of them in tests/chaos
    for n, handle in enumerate(handles):
        archive.add(handle.name, timeline(range(n, n + 2), handle))
    client = client_of(archive)
    for handle in handles:
        scrape_from_community(handle, client, storage, "first night")
    archive.requests.clear()
    for handle in handles:
        assert scrape_from_community(handle, client, storage, "night") == Appended(0, 0)
    client.close()
    assert len(archive.requests) == len(handles)
