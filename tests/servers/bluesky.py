"""Bluesky for tests: profiles and author feeds over real HTTP, as far as our client needs.

`with running_bluesky() as bluesky:` serves at `bluesky.url`. Faults are scripted one by one, by the
name of the method that they strike, after as many good answers as wished:
`bluesky.faults["feed"] = [None, Fault(503)]` spoils the second page. `bluesky.requests` lists the
methods with their parameters in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
_JSON = "application/json; charset=utf-8"


@dataclass
class Fault:
    """What happens to one request instead of the right answer.

    status: answered; 0 cuts the connection after a part of the answer. delay: seconds before it.
    """

    status: int = 500
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    content_type: str = _JSON

    @classmethod
    def refused(cls, status: int, name: str, message: str) -> Fault:
        """An error in Bluesky's own form."""
        return cls(status, f'{{"error": "{name}", "message": "{message}"}}'.encode())


@dataclass
class Bluesky:
    """The server's whole state, open to the tests.

    profiles: by handle. feeds: elements by DID, the newest first.
    page_sizes: how many elements the next pages hold, whatever was asked for; then the limit.
    """

    url: str = ""
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    feeds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_sizes: list[int] = field(default_factory=list)
    faults: dict[str, list[Fault | None]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def add(self, handle: str, elements: list[dict[str, Any]], **shown: Any) -> None:
        """An account with this feed."""
        did = did_of(handle)
        self.profiles[handle] = {"did": did, "handle": handle, **shown}
        self.feeds[did] = elements

    def asked(self, method: str) -> list[dict[str, str]]:
        """The parameters of each request for a method."""
        return [params for name, params in self.requests if name == method]


def did_of(handle: str) -> str:
    """The made-up DID of an account."""
    return f"did:plc:{handle.replace('.', '')}"


def tid(instant: datetime) -> str:
    """The key that a client gives to a record made at this instant."""
    number = int(instant.timestamp() * 1_000_000) << 10
    return "".join(_DIGITS[number >> shift & 31] for shift in range(60, -5, -5))


def element(
    handle: str,
    instant: datetime,
    text: str,
    *,
    author: str | None = None,
    key: str | None = None,
    **record: Any,
) -> dict[str, Any]:
    """An element of the feed of `handle`: its post, or its repost of a post by `author`."""
    did, stamp = did_of(author or handle), instant.isoformat().replace("+00:00", "Z")
    post = {
        "uri": f"at://{did}/app.bsky.feed.post/{key or tid(instant)}",
        "cid": "bafyreib",
        "author": {"did": did, "handle": author or handle},
        "record": {
            "$type": "app.bsky.feed.post",
            "text": text,
            "createdAt": stamp,
            **record,
        },
        "indexedAt": stamp,
    }
    if author is None:
        return {"post": post}
    reason = {
        "$type": "app.bsky.feed.defs#reasonRepost",
        "by": {"did": did_of(handle), "handle": handle},
        "uri": f"at://{did_of(handle)}/app.bsky.feed.repost/{key or tid(instant)}",
        "indexedAt": stamp,
    }
    return {"post": post, "reason": reason}


@contextmanager
def running_bluesky() -> Iterator[Bluesky]:
    """Serve an empty Bluesky on a free port of this machine until the block ends."""
    bluesky = Bluesky()
    config = uvicorn.Config(_app(bluesky), port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    bluesky.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield bluesky
    finally:
        server.should_exit = True
        server.force_exit = True  # does not wait for answers that are delayed
        thread.join(10)


def _app(bluesky: Bluesky) -> Starlette:
    async def profile(request: Request) -> Response:
        return await _struck(bluesky, "profile", request) or _profile(bluesky, request)

    async def feed(request: Request) -> Response:
        return await _struck(bluesky, "feed", request) or _feed(bluesky, request)

    return Starlette(
        routes=[
            Route("/xrpc/app.bsky.actor.getProfile", profile),
            Route("/xrpc/app.bsky.feed.getAuthorFeed", feed),
        ]
    )


async def _struck(bluesky: Bluesky, name: str, request: Request) -> Response | None:
    bluesky.requests.append((name, dict(request.query_params)))
    fault = bluesky.faults[name].pop(0) if bluesky.faults[name] else None
    if fault is None:
        return None
    await asyncio.sleep(fault.delay)
    if fault.status == 0:
        return _CutOff()
    headers = {"content-type": fault.content_type, **fault.headers}
    return Response(fault.body, fault.status, headers)


class _CutOff(Response):
    """Promises a body and closes the connection within it."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"100"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"feed": [', "more_body": True})
        # The server closes the connection of an application that ends in the middle.


def _refused(name: str, message: str) -> Response:
    return JSONResponse({"error": name, "message": message}, 400)


def _profile(bluesky: Bluesky, request: Request) -> Response:
    profile = bluesky.profiles.get(request.query_params["actor"])
    return _refused("InvalidRequest", "Profile not found") if profile is None else _json(profile)


def _feed(bluesky: Bluesky, request: Request) -> Response:
    asked = request.query_params
    if (elements := bluesky.feeds.get(asked["actor"])) is None:
        return _refused("InvalidRequest", "Profile not found")
    start = int(asked.get("cursor", "0").split(".")[0])
    size = bluesky.page_sizes.pop(0) if bluesky.page_sizes else int(asked["limit"])
    page: dict[str, Any] = {"feed": elements[start : start + size]}
    if start + size < len(elements):
        page["cursor"] = f"{start + size}.{len(bluesky.requests)}"  # an empty page moves on too
    return _json(page)


def _json(value: Any) -> Response:
    return JSONResponse(value)
