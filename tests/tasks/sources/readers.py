"""What `tests.bounded` runs: each reader of posts, as a function of a path."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.errors import HuggingtweetsError
from tasks.core.names import BlueskyHandle, Handle
from tasks.sources.bluesky.feed import MalformedPost, post_of
from tasks.sources.bluesky.source import BlueskySource
from tasks.sources.file_sources import file_digest, open_file_source
from tasks.sources.x_api.recheck import recheck_from
from tasks.sources.x_api.refusals import error_of, parsed, refusal_in
from tasks.sources.x_api.responses import account_from, page_from

ALICE = Handle("alice")


def read_posts(path: Path) -> int:
    """The number of posts in an archive or a table."""
    file_digest(path)
    return sum(map(len, open_file_source(path, ALICE).batches(None)))


def read_bluesky(path: Path) -> int:
    """The number of posts of alice.test at the address in a file."""
    url = path.read_text(encoding="utf-8")
    return sum(map(len, BlueskySource(BlueskyHandle("alice.test"), url).batches(None)))


def read_x_response(path: Path) -> None:
    """A response of the X API, in every way in which one is read."""
    body = parsed(path.read_bytes(), "@alice")
    readers = (
        lambda: page_from(body, ALICE),
        lambda: account_from(body, ALICE, datetime.now(UTC)),
        lambda: recheck_from(body, ["1"], ALICE),
    )
    for read in readers:
        with suppress(HuggingtweetsError):
            read()
    for status in (200, 400, 403, 404, 500):
        assert "\n" not in str(error_of(refusal_in(status, body, "@alice")))


def read_bluesky_element(path: Path) -> None:
    """An element of a Bluesky feed."""
    element = parsed(path.read_bytes(), "@alice.test")
    with suppress(MalformedPost):
        post_of(element, BlueskyHandle("alice.test"), "did:plc:alice", "bluesky")
