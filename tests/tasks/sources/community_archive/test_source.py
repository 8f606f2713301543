"""The Community Archive's posts and accounts, read from the stand-in over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.core.errors import (
    AccountNotFound,
    AccountRenamed,
    AccountUnavailable,
    HuggingtweetsError,
    NetworkTrouble,
    RateLimited,
    ServerTrouble,
    SourceStopped,
    TokenRefused,
)
from tasks.core.names import Handle
from tasks.core.records import Account, Post
from tasks.sources.community_archive.client import CommunityArchiveClient
from tasks.sources.community_archive.rows import Place
from tasks.sources.community_archive.source import CommunityArchiveSource
from tasks.sources.pace import ATTEMPTS, Timeouts
from tests.servers.community_archive import Archive, Fault, running_community_archive
from tests.servers.community_client import client_of, timeline
from tests.servers.x_client import START, Clock
from tests.strategies import fixture_shared_by_examples

ALICE = Handle("alice")
BAD_KEY = {"message": "Invalid API key", "hint": "Double check"}


@pytest.fixture(scope="module")
def server() -> Iterator[Archive]:
    with running_community_archive() as archive:
        yield archive


@pytest.fixture
def archive(server: Archive) -> Archive:
    """The server as new, with @alice's 25 posts."""
    vars(server).update(vars(Archive(url=server.url)))
    server.add("Alice", timeline(range(25), ALICE))
    return server


def source_of(archive: Archive, handle: Handle = ALICE) -> CommunityArchiveSource:
    return CommunityArchiveSource(handle, client_of(archive))


def read(archive: Archive, after: Place | None = None) -> list[Post]:
    source = source_of(archive)
    account = source.look_up(None).account
    return [post for page in source.pages(account, after) for post in page.posts]


def test_posts_come_as_they_were_written_oldest_first(archive: Archive) -> None:
    posts = read(archive)
    wanted = sorted(timeline(range(25), ALICE), key=lambda post: (post.created_at, post.id))
    assert [(p.id, p.created_at, p.text, p.kind, p.lang) for p in posts] == [
        (p.id, p.created_at, p.text, p.kind, None) for p in wanted
    ]
    assert {post.source for post in posts} == {"community_archive"}


@pytest.mark.parametrize("cap", [1, 3, 7, 25, 1_000])
def test_pages_of_any_length_hold_each_post_once(archive: Archive, cap: int) -> None:
    archive.cap = cap
    ids = [post.id for post in read(archive)]
    assert sorted(ids) == sorted(str(9_000 + n) for n in range(25))
    assert sum(map(len, archive.pages)) == 25, "no row was sent twice"


def test_what_is_new_needs_two_requests_and_nothing_new_one(archive: Archive) -> None:
    posts = read(archive)
    last = Place(posts[-1].created_at, posts[-1].id)  # type: ignore[arg-type]
    account = source_of(archive).look_up(None).account
    archive.requests.clear()
    (page,) = source_of(archive).pages(account, last)
    assert (page.posts, page.last, page.is_empty) == ([], None, False)
    assert len(archive.requests) == 1
    archive.post(account.id, timeline(range(25, 30), ALICE))
    archive.requests.clear()
    new = [post for page in source_of(archive).pages(account, last) for post in page.posts]
    assert [post.id for post in new] == [str(9_000 + n) for n in range(25, 30)]
    assert len(archive.requests) == 2


def test_a_look_up_brings_account_profile_and_the_newest_whole_upload(archive: Archive) -> None:
    archive.upload("1001")
    archive.upload("1001", phase="committing")
    found = source_of(archive).look_up(None)
    assert (found.account.id, found.account.profile.display_name) == ("1001", "Alice")
    avatar = "https://pbs.twimg.com/profile_images/1/a_400x400.jpg"
    assert found.account.profile.avatar_url == avatar
    assert (found.username, found.upload) == ("alice", 2)
    assert len(archive.requests) == 1


def test_an_underscore_is_no_placeholder(archive: Archive) -> None:
    archive.add("a_ice")
    archive.add("axice")
    found = source_of(archive, Handle("a_ice")).look_up(None)
    assert found.username == "a_ice"
    with pytest.raises(AccountNotFound, match="does not have this account"):
        source_of(archive, Handle("_lice")).look_up(None)


def known(account_id: str) -> Account:
    return Account(account_id, None, False, None, datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]


def test_a_handle_may_belong_to_another_account(archive: Archive) -> None:
    archive.add("alice", [])
    with pytest.raises(AccountUnavailable, match="1001, 1002"):
        source_of(archive).look_up(None)
    assert source_of(archive).look_up(known("1002")).account.id == "1002"
    with pytest.raises(AccountRenamed, match="another account"):
        source_of(archive).look_up(known("7"))
    archive.tables["all_account"][0]["username"] = "Alicia"
    archive.tables["all_account"][1]["username"] = "somebody"
    with pytest.raises(AccountRenamed, match="@alicia now"):
        source_of(archive).look_up(known("1001"))
    archive.opt_out("1001")
    with pytest.raises(AccountNotFound, match="comply alice"):
        source_of(archive).look_up(known("1001"))


REFUSALS = [
    (Fault(401, BAD_KEY), TokenRefused, "HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY"),
    (Fault(403, {"code": "42501", "message": "permission denied"}), TokenRefused, "42501"),
    (Fault(404, {"code": "42P01", "message": "relation"}), SourceStopped, "42P01 relation"),
    (Fault(400, {"code": "PGRST100", "message": "parse"}), SourceStopped, "PGRST100"),
    (Fault(300, {"code": "PGRST201", "message": "more than one"}), SourceStopped, "PGRST201"),
    (Fault(302, headers={"location": "http://["}), SourceStopped, "COMMUNITY_ARCHIVE_URL"),
    (Fault(400, b"<html>"), SourceStopped, "without a reason"),
    (Fault(400, [1]), SourceStopped, "without a reason"),
    (Fault(416, {"message": 7}), SourceStopped, "416"),
    (Fault.timeout(), ServerTrouble, "57014"),
    (Fault(502, b"<html>Bad gateway"), ServerTrouble, "502"),
    (Fault(429), RateLimited, "429"),
    (Fault(200, b"<html>"), ServerTrouble, "other than JSON"),
    (Fault(200, b"[{"), ServerTrouble, "other than JSON"),
    (Fault(200, b"[" * 100_000), ServerTrouble, "other than JSON"),
    (Fault(200, {"message": "fine"}), ServerTrouble, "without rows"),
    (Fault(200, [7]), ServerTrouble, "without rows"),
    (Fault(200, b"no gzip", {"content-encoding": "gzip"}), ServerTrouble, "not compressed"),
    (Fault(200, b"x", {"content-encoding": "br"}), ServerTrouble, "unknown encoding"),
    (Fault(cut=0), NetworkTrouble, "no complete response"),
    (Fault(cut=20), NetworkTrouble, "no complete response"),
    (Fault(delay=2), NetworkTrouble, "no complete response"),
]


@pytest.mark.parametrize(("fault", "error", "seen"), REFUSALS)
def test_every_refusal_is_one_of_ours_in_one_line(
    archive: Archive, fault: Fault, error: type[HuggingtweetsError], seen: str
) -> None:
    archive.faults = [fault] * ATTEMPTS
    client = client_of(archive, timeouts=Timeouts(read=0.2))
    with pytest.raises(error, match=seen) as raised:
        CommunityArchiveSource(ALICE, client).look_up(None)
    assert type(raised.value) is error
    assert str(raised.value).startswith("@alice: ")
    assert "\n" not in str(raised.value)
    tries = ATTEMPTS if issubclass(error, (ServerTrouble, NetworkTrouble)) else 1
    assert len(archive.requests) == tries


def test_a_wrong_key_is_refused_and_never_shown(archive: Archive) -> None:
    client = CommunityArchiveClient(SecretStr("rotated.key"), archive.url)
    with pytest.raises(TokenRefused, match="Invalid API key") as raised:
        CommunityArchiveSource(ALICE, client).look_up(None)
    assert "rotated" not in str(raised.value)
    with pytest.raises(TokenRefused, match="is empty"):
        CommunityArchiveClient(SecretStr(" \n"))


def test_a_short_pause_is_kept_and_a_long_one_named(archive: Archive) -> None:
    clock = Clock()
    archive.faults = [Fault(429, headers={"retry-after": "9"})]
    CommunityArchiveSource(ALICE, client_of(archive, clock)).look_up(None)
    assert 9 <= sum(clock.slept) <= 11
    archive.faults = [Fault(429, headers={"retry-after": "900"})]
    with pytest.raises(RateLimited) as raised:
        CommunityArchiveSource(ALICE, client_of(archive, Clock())).look_up(None)
    assert raised.value.next_attempt_at == datetime.fromtimestamp(START, UTC) + timedelta(
        seconds=900
    )


ODD_ROWS = [
    {},
    {"tweet_id": "1", "created_at": "2020-01-01T00:00:00+00:00"},
    {"tweet_id": 1, "created_at": "2020-01-01T00:00:00+00:00", "full_text": "x"},
    {"tweet_id": "1", "created_at": "yesterday", "full_text": "x"},
    {"tweet_id": "../1", "created_at": "2020-01-01T00:00:00+00:00", "full_text": "x"},
]


@pytest.mark.parametrize("row", ODD_ROWS)
def test_a_row_that_is_no_post_is_refused(archive: Archive, row: object) -> None:
    account = source_of(archive).look_up(None).account
    archive.faults = [Fault(200, [row])]
    with pytest.raises(ServerTrouble, match="a row whose"):
        list(source_of(archive).pages(account, None))


def test_the_same_page_without_end_ends(archive: Archive) -> None:
    account = source_of(archive).look_up(None).account
    row = {"tweet_id": "1", "created_at": "2020-01-01T00:00:00+00:00", "full_text": "x"}
    archive.faults = [Fault(200, [row])] * 3
    assert [len(page.posts) for page in source_of(archive).pages(account, None)] == [1, 0]
    archive.faults = [Fault(200, [row])] * 3
    assert set(source_of(archive).served(account.id)) == {"1"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
FIELDS = (
    *("tweet_id", "account_id", "username", "created_at", "full_text", "account_display_name"),
    *("num_tweets", "all_profile", "archive_upload", "retweets", "quote_tweets"),
)
VALUES = JSON | st.sampled_from(["7", "alice", "2020-01-01T00:00:00+00:00"])
ROWS = st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES), max_size=3)


@pytest.fixture(scope="module")
def client(server: Archive) -> Iterator[CommunityArchiveClient]:
    """One for all examples: each new one loads the certificates of this machine."""
    opened = client_of(server)
    yield opened
    opened.close()


@fixture_shared_by_examples
@given(rows=ROWS)
def test_whatever_comes_is_read_or_refused(
    server: Archive, client: CommunityArchiveClient, rows: object
) -> None:
    vars(server).update(vars(Archive(url=server.url, storm=lambda _: Fault(200, rows))))
    source = CommunityArchiveSource(ALICE, client)
    try:
        found = source.look_up(None)
        for page in source.pages(found.account, None):
            assert all(post.id.isdecimal() for post in page.posts)
    except HuggingtweetsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
