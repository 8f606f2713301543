"""The source and its client, against the stand-in over real HTTP."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.core.errors import (
    AccountNotFound,
    AccountProtected,
    AccountRenamed,
    AccountSuspended,
    BadInput,
    HuggingtweetsError,
    NetworkTrouble,
    RateLimited,
    ServerTrouble,
    SourceExhausted,
    TokenRefused,
)
from tasks.core.names import Handle
from tasks.core.records import Account as Known
from tasks.core.records import Kind, Post, Profile
from tasks.sources.pace import ATTEMPTS, Timeouts
from tasks.sources.x_api.client import XApiClient
from tasks.sources.x_api.source import XApiSource
from tests.servers.x_api import TOKEN, Account, Fault, Window, XApi, as_api_posts, running_x_api
from tests.servers.x_client import START, Clock, client_of
from tests.strategies import fixture_shared_by_examples

ALICE = Handle("alice")
KINDS = (Kind.POST, Kind.REPLY, Kind.QUOTE, Kind.RETWEET)


def post(number: int) -> Post:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    text = f"post {number} " + "long " * (number % 7 * 20)
    return Post(
        str(number),
        ALICE,
        start + timedelta(hours=number),
        text,
        "en",
        KINDS[number % 4],
        "x_api",
        "",
    )


POSTS = [post(number) for number in range(1, 251)]


@pytest.fixture(scope="module")
def server() -> Iterator[XApi]:
    with running_x_api() as api:
        yield api


@pytest.fixture
def api(server: XApi) -> XApi:
    """The server as new, with @alice's 250 posts."""
    fresh = XApi(url=server.url)
    vars(server).update(vars(fresh))
    server.add(Account("7", "Alice", posts=as_api_posts(POSTS)))
    return server


def ids(source: XApiSource, newer_than: str | None = None) -> list[int]:
    return [int(each.id) for batch in source.batches(newer_than) for each in batch]


def plain(each: Post) -> tuple[Any, ...]:
    return each.id, each.handle, each.created_at, each.text, each.lang, each.kind, each.source


def test_all_posts_arrive_newest_first_and_whole(api: XApi):
    source = XApiSource(ALICE, client_of(api))
    found = [each for batch in source.batches(None) for each in batch]
    assert [plain(each) for each in found] == [plain(each) for each in reversed(POSTS)]
    assert json.loads(found[0].raw)["id"] == "250"
    assert len(api.requests) == 4  # the account, and three pages
    profile = source.profile()
    assert (profile.display_name, profile.handle) == ("Somebody", ALICE)


def test_only_newer_posts_are_asked_for(api: XApi):
    assert ids(XApiSource(ALICE, client_of(api)), "248") == [250, 249]
    assert api.pages == [["250", "249"]]


def test_x_gives_3200_posts_and_no_more(api: XApi):
    api.accounts["7"].posts = as_api_posts(map(post, range(1, 3_301)))
    assert ids(XApiSource(ALICE, client_of(api))) == list(range(3_300, 100, -1))


def test_short_and_empty_pages_are_not_the_end(api: XApi):
    sizes = iter([7, 0, 0, 100, 1, 0] + [90] * 10)
    api.page_size = lambda _: next(sizes)
    assert ids(XApiSource(ALICE, client_of(api))) == list(range(250, 0, -1))


def test_a_server_without_a_last_page_is_left(api: XApi):
    api.page_size = lambda _: 0
    with pytest.raises(ServerTrouble, match="no last page after 1,000"):
        ids(XApiSource(ALICE, client_of(api)))


def test_a_protected_account_costs_no_page(api: XApi):
    api.accounts["7"].state = "protected"
    with pytest.raises(AccountProtected, match="@alice"):
        ids(XApiSource(ALICE, client_of(api)))
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize(
    ("state", "kind"), [("suspended", AccountSuspended), ("missing", AccountNotFound)]
)
def test_an_account_that_is_gone(api: XApi, state: str, kind: type[Exception], status: int):
    api.accounts["7"].state, api.accounts["7"].status = state, status
    clock = Clock()
    with pytest.raises(kind, match="@alice"):
        ids(XApiSource(ALICE, client_of(api, clock)))
    assert not clock.slept  # permanent errors are not tried again


@pytest.mark.parametrize("status", [200, 401, 403, 404])
def test_an_account_that_goes_while_it_is_read(api: XApi, status: int):
    account = client_of(api).account(ALICE)
    api.accounts["7"].state, api.accounts["7"].status = "protected", status
    with pytest.raises(AccountProtected):
        ids(XApiSource(ALICE, client_of(api), account=account))


def test_a_handle_that_another_account_took(api: XApi):
    source = XApiSource(ALICE, client_of(api))
    before = source.account
    api.accounts.clear()
    api.add(Account("8", "alice"))
    with pytest.raises(AccountRenamed, match="belongs to another account"):
        source.look_up(before)


def test_an_account_is_followed_to_its_new_handle(api: XApi):
    source = XApiSource(ALICE, client_of(api))
    before = source.account
    api.accounts["7"].username = "Alicia"
    assert source.follow(before) == Handle("alicia")


TROUBLE = [
    (Fault(503), ServerTrouble),
    (Fault(500, [{"message": "a list"}]), ServerTrouble),
    (Fault(502, b"<html>"), ServerTrouble),
    (Fault(200, b"<html>over capacity</html>"), ServerTrouble),
    (Fault(200, b'{"data": [{"id"'), ServerTrouble),
    (Fault(200, b"[]"), ServerTrouble),
    (Fault(200, b""), ServerTrouble),
    (Fault(503, {"errors": [7, None, {"message": 7}], "error": {}}), ServerTrouble),
    (Fault(302, headers={"location": "http://127.0.0.1:1/elsewhere"}), ServerTrouble),
    (Fault(cut=0), NetworkTrouble),
    (Fault(cut=50), NetworkTrouble),
    (Fault(200, b"junk", {"content-encoding": "gzip"}), NetworkTrouble),
    (Fault(delay=9), NetworkTrouble),
]


@pytest.mark.parametrize(("fault", "kind"), TROUBLE)
def test_trouble_passes_and_is_named_where_it_stays(api: XApi, fault: Fault, kind: type[Exception]):
    clock = Clock()
    client = client_of(api, clock, Timeouts(read=0.1))
    api.faults = [fault]
    assert client.account(ALICE).id == "7"
    assert clock.slept == [1.0]
    api.faults = [fault] * ATTEMPTS
    with pytest.raises(kind, match=r"^@alice: "):
        client.account(ALICE)
    assert clock.slept[1:] == [1.0, 2.0, 4.0, 8.0]
    assert len(api.requests) == 2 + ATTEMPTS


def test_an_answer_that_drips_is_left(api: XApi):
    api.faults = [Fault(drip=0.02)]
    clock, began = Clock(), time.monotonic()
    assert client_of(api, clock, Timeouts(total=0.2)).account(ALICE).id == "7"
    assert len(clock.slept) == 1
    assert time.monotonic() - began < 3


def test_an_answer_without_end_is_left(api: XApi):
    api.faults = [Fault(200, b" " * (17 << 20))]
    clock = Clock()
    assert client_of(api, clock).account(ALICE).id == "7"
    assert len(clock.slept) == 1


def test_nobody_there(api: XApi):
    clock = Clock()
    client = XApiClient(SecretStr(TOKEN), "http://127.0.0.1:1", pace=clock.pace())
    with pytest.raises(NetworkTrouble, match="no complete response"):
        client.account(ALICE)


def test_a_pause_up_to_a_minute_is_waited_for_and_counted_down(api: XApi):
    clock = Clock()
    api.clock, api.window = lambda: clock.now, Window(2, 50)
    assert len(ids(XApiSource(ALICE, client_of(api, clock)))) == 250
    assert clock.now - START >= 50
    assert clock.counted[0] == 51
    assert max(clock.slept) <= 1
    assert clock.counted == sorted(clock.counted, reverse=True)


def test_a_longer_pause_ends_the_scrape_with_its_time(api: XApi):
    clock = Clock()
    api.clock, api.window = lambda: clock.now, Window(2, 900)
    batches = XApiSource(ALICE, client_of(api, clock)).batches(None)
    assert len(next(batches)) == 100  # what came is there
    with pytest.raises(RateLimited, match=r"@alice: .* until 2030-03-17 18:01:40 UTC") as limit:
        next(batches)
    assert limit.value.next_attempt_at == datetime.fromtimestamp(START + 900, UTC)
    assert not clock.slept


def test_a_limit_without_a_time_ends_the_scrape_at_once(api: XApi):
    clock = Clock()
    api.faults = [Fault(429, b"slow down")]
    with pytest.raises(RateLimited) as limit:
        client_of(api, clock).account(ALICE)
    assert limit.value.next_attempt_at == datetime.fromtimestamp(START + 900, UTC)
    assert len(api.requests) == 1


@pytest.mark.parametrize("reset", ["soon", str(int(START) - 5), "1e400"])
def test_a_limit_with_a_strange_time_does_not_hang(api: XApi, reset: str):
    api.faults = [Fault(429, headers={"x-rate-limit-reset": reset})] * 99
    with pytest.raises(RateLimited):
        client_of(api).account(ALICE)
    assert len(api.requests) <= 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault(402, {"title": "CreditsDepleted", "type": "about:blank"}),
        Fault(402, b"Payment Required"),
        Fault(429, {"title": "UsageCapExceeded", "type": "x/usage-capped", "detail": "Monthly"}),
    ],
)
def test_what_is_used_up_is_not_asked_again(api: XApi, fault: Fault):
    api.faults = [fault]
    with pytest.raises(SourceExhausted, match="buy credits"):
        client_of(api).account(ALICE)
    assert len(api.requests) == 1


def test_each_request_asks_for_a_permit(api: XApi):
    permits: list[int] = []
    pace = Clock().pace()
    counted = type(pace)(
        pace.now, pace.sleep, pace.jitter, pace.countdown, lambda: permits.append(1)
    )
    api.faults = [Fault(503)]
    ids(XApiSource(ALICE, XApiClient(SecretStr(TOKEN), api.url, pace=counted)))
    assert len(permits) == len(api.requests) == 5


def test_the_token_shows_nowhere(api: XApi, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    client = client_of(api)
    client.account(ALICE)
    api.token = "another"  # noqa: S105 - so that ours is refused
    with pytest.raises(TokenRefused) as refused:
        client.account(ALICE)
    assert "Making API request" in caplog.text  # tweepy logs its headers
    assert TOKEN not in caplog.text + str(refused.value) + repr(client) + repr(vars(client))


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nend", "ключ"])
def test_a_token_that_cannot_be_one_is_not_shown(token: str):
    with pytest.raises(TokenRefused, match="HUGGINGTWEETS_X_BEARER_TOKEN") as refused:
        XApiClient(SecretStr(token))
    assert not token.strip() or token not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["http://x.example", "ftp://x.example", "x.example", "https://", "http://[::1"]
)
def test_the_token_goes_to_no_open_address(address: str):
    with pytest.raises(BadInput, match="HUGGINGTWEETS_X_API_URL"):
        XApiClient(SecretStr(TOKEN), address)


def test_an_address_may_have_a_path(api: XApi):
    client = XApiClient(SecretStr(TOKEN), f"{api.url}/behind/a/proxy/", pace=Clock().pace())
    assert client.account(ALICE).id == "7"


@fixture_shared_by_examples
@given(
    status=st.sampled_from([200, 201, 400, 401, 402, 403, 404, 418, 429, 500, 503]),
    body=st.binary(max_size=80)
    | st.sampled_from(
        [
            b"[]",
            b"null",
            b'"x"',
            b'{"errors": 7}',
            b'{"errors": [[]]}',
            b'{"errors": null, "error": 1}',
        ]
    )
    | st.just(b"[" * 100_000),
    reset=st.sampled_from([None, "x", "9" * 5_000, str(int(START) + 3)]),
)
def test_whatever_answer_comes_only_our_errors_come_out(
    api: XApi, status: int, body: bytes, reset: str | None
):
    headers = {} if reset is None else {"x-rate-limit-reset": reset}
    api.faults = [Fault(status, body, headers)] * 9
    client = client_of(api)
    with suppress(HuggingtweetsError):
        client.account(ALICE)
    known = Known("7", Profile(ALICE, "Alice"), False, None, datetime.now(UTC))
    with suppress(HuggingtweetsError):
        ids(XApiSource(ALICE, client, account=known))
