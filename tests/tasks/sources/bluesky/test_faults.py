from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import (
    AccountNotFound,
    AccountProtected,
    AccountSuspended,
    AccountUnavailable,
    HuggingtweetsError,
    NetworkTrouble,
    RateLimited,
    ServerTrouble,
    SourceStopped,
)
from tasks.core.names import BlueskyHandle
from tasks.core.records import Post
from tasks.sources.bluesky.source import MAX_PAGES, BlueskySource
from tests.bounded import Limits, read_bounded
from tests.servers.bluesky import Bluesky, Fault, did_of, element, running_bluesky
from tests.strategies import fixture_shared_by_examples
from tests.tasks.sources.readers import read_bluesky

ALICE, NAME = BlueskyHandle("alice.bsky.social"), "alice.bsky.social"
START = datetime(2025, 1, 1, tzinfo=UTC)
FEED = [element(NAME, START - timedelta(hours=n), f"post {n}") for n in range(150)]
HTML = "text/html"


@pytest.fixture(scope="module")
def server() -> Iterator[Bluesky]:
    with running_bluesky() as running:
        yield running


@pytest.fixture
def bluesky(server: Bluesky) -> Bluesky:
    return fresh(server)


def fresh(server: Bluesky) -> Bluesky:
    for state in (server.faults, server.requests, server.profiles, server.feeds):
        state.clear()
    server.add(NAME, FEED)
    return server


def fetch(bluesky: Bluesky, timeout: float = 30) -> list[Post]:  # a busy machine may need seconds
    source = BlueskySource(ALICE, bluesky.url, timeout=timeout)
    return [post for batch in source.batches(None) for post in batch]


REFUSALS = [
    (Fault.refused(400, "InvalidRequest", "Profile not found"), AccountNotFound, "spelling"),
    (Fault.refused(400, "InvalidRequest", "Unable to resolve handle"), AccountNotFound, "spelling"),
    (Fault.refused(400, "AccountTakedown", "Account has been suspended"), AccountSuspended, "susp"),
    (Fault.refused(403, "RepoTakendown", ""), AccountSuspended, "suspended"),
    (Fault.refused(400, "AccountDeactivated", "x"), AccountUnavailable, "owner has deactivated"),
    (Fault.refused(400, "BlockedActor", "x"), AccountProtected, "blocked"),
    (Fault.refused(400, "InvalidRequest", "cursor"), AccountUnavailable, "'cursor'"),
    (
        Fault.refused(401, "AuthMissing", "Authentication Required"),
        SourceStopped,
        "without a login",
    ),
    (Fault(404, b"<html>", content_type=HTML), SourceStopped, "404"),
    (Fault(500), ServerTrouble, "500"),
    (Fault(502, b"<html>Bad gateway", content_type=HTML), ServerTrouble, "502"),
    (Fault(503, b"\xff\xfe"), ServerTrouble, "503"),
    (Fault(400, b"[1, 2]"), ServerTrouble, "something other than a JSON object"),
    (Fault(400, b'{"error": [], "message": 3}'), AccountUnavailable, "400 error ''"),
    (Fault(200, b"<html>", content_type=HTML), ServerTrouble, "JSON object"),
    (Fault(200, b"[1]"), ServerTrouble, "JSON object"),
    (Fault(200, b'{"feed": ['), ServerTrouble, "JSON object"),
    (Fault(200, b"[" * 100_000), ServerTrouble, "JSON object"),
    (Fault(200, b"x", {"content-encoding": "gzip"}), ServerTrouble, "JSON object"),
    (Fault(0), NetworkTrouble, "no complete response"),
    (Fault(delay=2), NetworkTrouble, "no complete response"),
    (Fault(302, headers={"location": "http://["}), NetworkTrouble, "no complete response"),
]


@pytest.mark.parametrize(("fault", "error", "seen"), REFUSALS)
@pytest.mark.parametrize("method", ["profile", "feed"])
def test_every_refusal_is_one_of_ours_in_one_line(
    bluesky: Bluesky, method: str, fault: Fault, error: type[HuggingtweetsError], seen: str
) -> None:
    bluesky.faults[method] = [fault]
    with pytest.raises(error, match=seen) as raised:
        fetch(bluesky, timeout=0.5 if fault.delay else 30)
    assert type(raised.value) is error
    assert str(raised.value).startswith(f"@{NAME}: ")
    assert "\n" not in str(raised.value)


def test_nobody_has_this_handle(bluesky: Bluesky) -> None:
    with pytest.raises(AccountNotFound, match=r"@bob\.test: .*Profile not found"):
        BlueskySource(BlueskyHandle("bob.test"), bluesky.url).profile()


def test_a_fault_amid_the_pages_comes_after_what_was_read(bluesky: Bluesky) -> None:
    bluesky.faults["feed"] = [None, Fault(503)]
    batches = BlueskySource(ALICE, bluesky.url).batches(None)
    assert len(next(batches)) == 100
    with pytest.raises(ServerTrouble):
        next(batches)


@pytest.mark.parametrize("header", ["ratelimit-reset", "retry-after"])
def test_a_rate_limit_says_when_to_come_back(bluesky: Bluesky, header: str) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=90)
    value = str(int(ends.timestamp())) if header == "ratelimit-reset" else "90"
    bluesky.faults["feed"] = [Fault(429, headers={header: value})]
    with pytest.raises(RateLimited, match="too many requests") as raised:
        fetch(bluesky)
    assert raised.value.next_attempt_at is not None
    assert abs(raised.value.next_attempt_at - ends) < timedelta(seconds=30)


@pytest.mark.parametrize("value", ["1e999", "nan", "soon", "-5", "99999999999999999999", "1e10"])
def test_a_rate_limit_never_asks_for_more_than_a_day(bluesky: Bluesky, value: str) -> None:
    bluesky.faults["feed"] = [Fault(429, headers={"ratelimit-reset": value})]
    with pytest.raises(RateLimited) as raised:
        fetch(bluesky)
    ends = raised.value.next_attempt_at
    assert ends is None or timedelta(minutes=-1) < ends - datetime.now(UTC) <= timedelta(days=1)


def test_nobody_listens_there() -> None:
    with pytest.raises(NetworkTrouble, match=r"127\.0\.0\.1:9 "):
        BlueskySource(ALICE, "http://127.0.0.1:9").profile()


def test_who_wants_to_be_seen_by_members_only_is_left_alone(bluesky: Bluesky) -> None:
    bluesky.add(NAME, FEED, labels=[{"val": "!no-unauthenticated"}])
    with pytest.raises(AccountProtected, match="only people with a login"):
        fetch(bluesky)
    assert bluesky.asked("feed") == []
    bluesky.add(NAME, FEED, labels=[{"val": "!no-unauthenticated", "neg": True}, "odd"])
    assert len(fetch(bluesky)) == 150


def test_a_cursor_that_leads_nowhere_ends(bluesky: Bluesky) -> None:
    body = b'{"feed": [], "cursor": "again"}'
    bluesky.faults["feed"] = [Fault(200, body), Fault(200, body)]
    with pytest.raises(ServerTrouble, match="the same cursor again"):
        fetch(bluesky)


def test_pages_without_an_end_end(bluesky: Bluesky) -> None:
    bodies = [f'{{"feed": [], "cursor": "{n}"}}'.encode() for n in range(MAX_PAGES)]
    bluesky.faults["feed"] = [Fault(200, body) for body in bodies]
    with pytest.raises(ServerTrouble, match="without an end"):
        fetch(bluesky)
    assert len(bluesky.asked("feed")) == MAX_PAGES


@pytest.mark.parametrize("profile", [{}, {"did": 3}, {"did": None}])
def test_a_profile_without_a_did_is_refused(bluesky: Bluesky, profile: dict[str, Any]) -> None:
    bluesky.profiles[NAME] = profile
    with pytest.raises(ServerTrouble, match="a profile whose did is"):
        fetch(bluesky)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"feed": {}},
        {"feed": [], "cursor": 3},
        {"feed": [3]},
        {"feed": [{"post": {"record": {"text": None}}}]},
        {"feed": [{"post": {**FEED[0]["post"], "indexedAt": "soon"}}]},
        {"feed": [{"post": {**FEED[0]["post"], "indexedAt": "9999-12-31T00:00:00Z"}}]},
        {"feed": [{"post": {**FEED[0]["post"], "author": {}}}]},
    ],
)
def test_a_malformed_page_is_told(bluesky: Bluesky, body: dict[str, Any]) -> None:
    bluesky.faults["feed"] = [Fault(200, json.dumps(body).encode())]
    with pytest.raises(ServerTrouble, match=r"Bluesky answered with a (page|post)"):
        fetch(bluesky)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", None])
def test_a_body_without_measure_is_refused(
    bluesky: Bluesky, tmp_path: Path, encoding: str | None
) -> None:
    compressor = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    body = b'{"did": "did:plc:x", "description": "' + b"x" * (40 << 20) + b'"}'
    if encoding is not None:
        body = compressor.compress(bytes(400 << 20)) + compressor.flush()
    headers = {} if encoding is None else {"content-encoding": encoding}
    bluesky.faults["profile"] = [Fault(200, body, headers)]
    (tmp_path / "url").write_text(bluesky.url, encoding="utf-8")
    ending = read_bounded(read_bluesky, tmp_path / "url", Limits(bytes=320 << 20, seconds=20))
    assert "answered with something other than a JSON object (ValueError)" in str(ending.refusal)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_page_is_read(bluesky: Bluesky, encoding: str) -> None:
    compressor = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    page = json.dumps({"feed": FEED}).encode()
    body = compressor.compress(page) + compressor.flush()
    bluesky.faults["feed"] = [Fault(200, body, {"content-encoding": encoding})]
    assert len(fetch(bluesky)) == 150


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@st.composite
def damaged_pages(draw: st.DrawFn) -> bytes:
    """A good page with one value anywhere replaced, or cut off somewhere."""
    repost = element(NAME, START, "x", author="bob.test", langs=["en"], embed={"record": {}})
    page: Any = json.loads(json.dumps({"feed": [repost]}))
    holder, key = page, "feed"
    while isinstance(holder[key], dict | list) and holder[key] and draw(st.booleans()):
        holder = holder[key]
        key = draw(
            st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder)))
        )
    holder[key] = draw(json_values)
    body = json.dumps(page).encode()
    return body[: draw(st.just(len(body)) | st.integers(0, len(body)))]


@fixture_shared_by_examples
@given(body=damaged_pages() | st.binary(max_size=50), status=st.sampled_from([200, 200, 400]))
def test_whatever_the_body_only_our_own_errors_come_out(
    server: Bluesky, body: bytes, status: int
) -> None:
    bluesky = fresh(server)
    bluesky.faults["feed"] = [Fault(status, body)]
    try:
        posts = fetch(bluesky)
    except HuggingtweetsError:
        return
    assert all(post.id.isdecimal() and post.handle == ALICE for post in posts)
    assert bluesky.asked("feed")[0]["actor"] == did_of(NAME)
