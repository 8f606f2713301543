"""X for tests: the API v2 over real HTTP, as far as our client needs it.

`with running_x_api() as api:` serves at `api.url`; `api.add(account)` opens an account, whose
`posts` (see `as_api_posts`) can change at any time. Faults are scripted: `api.faults` holds what
happens to the next requests, in order, and `api.storm` decides on each request by itself.
`api.requests` lists what was asked, `api.pages` the ids on the pages that went out whole.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from tasks.core.records import Kind, Post

TOKEN = "AAAA_good_token_of_the_tests"  # noqa: S105  (worth nothing outside this server)
PROBLEMS = "https://api.twitter.com/2/problems"
_REFERENCE = {Kind.RETWEET: "retweeted", Kind.REPLY: "replied_to", Kind.QUOTE: "quoted"}
_CUT_TEXT = 280


@dataclass
class Fault:
    """What happens to one request.

    status: answered with `body` and `headers` instead of the right answer; None leaves that.
    delay: seconds before the answer. drip: seconds between its bytes.
    cut: the connection ends after so many bytes of the body.
    """

    status: int | None = None
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: float = 0
    cut: int | None = None


@dataclass
class Account:
    """One account on X.

    posts: as the API writes them, in any order.
    state: `open`, `protected`, `suspended` or `missing`; status: of the answer that says so.
    """

    id: str
    username: str
    name: str = "Somebody"
    posts: list[dict[str, Any]] = field(default_factory=list)
    state: str = "open"
    status: int = 200
    avatar: str = "https://pbs.twimg.com/profile_images/1/a_normal.jpg"


@dataclass
class Window:
    """A rate limit: so many requests in so many seconds of the server's clock."""

    limit: int
    seconds: float
    ends: float = 0
    used: int = 0


@dataclass
class XApi:
    """The server's whole state, open to the tests.

    limit: the newest posts of an account that are given at most.
    page_size: posts on the next page, of those asked for; 0 gives an empty page with a token.
    shows: whether a post is given this time; X leaves some out by chance.
    recorded: exchanges by path, replayed whatever is in the query.
    """

    url: str = ""
    token: str = TOKEN
    limit: int = 3_200
    clock: Callable[[], float] = time.time
    accounts: dict[str, Account] = field(default_factory=dict)
    page_size: Callable[[int], int] = lambda asked: asked
    shows: Callable[[dict[str, Any]], bool] = lambda _: True
    faults: list[Fault] = field(default_factory=list)
    storm: Callable[[Request], Fault | None] = lambda _: None
    window: Window | None = None
    recorded: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pages: list[list[str]] = field(default_factory=list)
    closing: bool = False

    def add(self, account: Account) -> Account:
        """Open an account."""
        self.accounts[account.id] = account
        return account

    def replay(self, exchange: dict[str, Any], path: str | None = None) -> None:
        """Answer what was recorded, at its own path or another."""
        self.recorded[path or urlsplit(exchange["uri"]).path] = exchange


def as_api_posts(posts: Iterable[Post]) -> list[dict[str, Any]]:
    """Posts as the API writes them: long ones cut, with their whole text in a note."""
    return [_as_api_post(post) for post in posts]


def _as_api_post(post: Post) -> dict[str, Any]:
    told: dict[str, Any] = {"id": post.id, "edit_history_tweet_ids": [post.id], "text": post.text}
    if post.created_at is not None:
        told["created_at"] = f"{post.created_at:%Y-%m-%dT%H:%M:%S.000Z}"
    if post.lang is not None:
        told["lang"] = post.lang
    if len(post.text) > _CUT_TEXT:
        told["note_tweet"] = {"text": post.text}
        told["text"] = post.text[: _CUT_TEXT - 1] + "…"
    if post.kind in _REFERENCE:
        told["referenced_tweets"] = [{"type": _REFERENCE[post.kind], "id": "1"}]
    return told


@contextmanager
def running_x_api() -> Iterator[XApi]:
    """Serve an empty X on a free port of this machine until the block ends."""
    api = XApi()
    config = uvicorn.Config(
        _app(api), port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    api.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        api.closing = True
        server.should_exit = True
        thread.join(10)


Step = Callable[[XApi, Request], Response]


def _app(api: XApi) -> Starlette:
    def route(path: str, step: Step) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _served(api, step, request)

        return Route(path, endpoint)

    routes = [
        route("/2/users/by/username/{username}", _by_username),
        route("/2/users/{id}/tweets", _timeline),
        route("/2/users/{id}", _by_id),
        route("/2/tweets", _posts),
    ]
    return Starlette(routes=[*routes, Mount("/behind/a/proxy", routes=routes)])


async def _served(api: XApi, step: Step, request: Request) -> Response:
    api.requests.append((request.url.path, dict(request.query_params)))
    if request.headers.get("authorization") != f"Bearer {api.token}":
        return _problem(401, "about:blank", "Unauthorized", "Unauthorized")
    fault = (api.faults.pop(0) if api.faults else None) or api.storm(request) or Fault()
    if fault.delay:
        await _pause(api, fault.delay)
    if fault.status is not None:
        answer: Response = _as_response(fault)
    elif (limited := _limited(api)) is not None:
        return limited
    elif (exchange := api.recorded.get(request.url.path)) is not None:
        answer = JSONResponse(exchange["body"], exchange["status"], exchange["headers"])
    else:
        answer = step(api, request)
    whole = fault.cut is None and not fault.drip
    if whole and fault.status is None and request.url.path.endswith("/tweets"):
        _note_page(api, answer)
    return answer if whole else _Broken(api, answer, fault)


async def _pause(api: XApi, seconds: float) -> None:
    end = time.monotonic() + seconds
    # The test's thread sets the flag, which an asyncio.Event does not allow.
    while time.monotonic() < end and not api.closing:  # noqa: ASYNC110
        await asyncio.sleep(min(0.02, seconds))


def _note_page(api: XApi, answer: Response) -> None:
    ids = [post["id"] for post in json.loads(bytes(answer.body)).get("data", [])]
    api.pages.append(ids)


def _as_response(fault: Fault) -> Response:
    body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
    return Response(body, fault.status or 200, fault.headers)


class _Broken(Response):
    """An answer that comes drop by drop, or ends in the middle."""

    def __init__(self, api: XApi, answer: Response, fault: Fault) -> None:
        super().__init__(answer.body, answer.status_code, media_type="application/json")
        self._api = api
        self._fault = fault

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": [*self.raw_headers, (b"connection", b"close")],
            }
        )
        async for piece in self._pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._fault.cut is None:
            await send({"type": "http.response.body", "body": b""})
        # Else the server closes the connection of an application that ends in the middle.

    async def _pieces(self) -> AsyncIterator[bytes]:
        body = bytes(self.body)[: self._fault.cut]
        if not self._fault.drip:
            yield body
            return
        for at in range(len(body)):
            if self._api.closing:
                return
            yield body[at : at + 1]
            await asyncio.sleep(self._fault.drip)


def _limited(api: XApi) -> Response | None:
    window = api.window
    if window is None:
        return None
    if api.clock() >= window.ends:
        window.ends, window.used = api.clock() + window.seconds, 0
    window.used += 1
    if window.used <= window.limit:
        return None
    headers = {
        "x-rate-limit-limit": str(window.limit),
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(int(window.ends)),
    }
    said = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank"}
    return JSONResponse({**said, "status": 429}, 429, headers)


def _problem(status: int, kind: str, title: str, detail: str) -> JSONResponse:
    problem = {"type": kind, "title": title, "detail": detail, "status": status}
    return JSONResponse({"errors": [problem]} if status == 200 else problem, status)


def unavailable(state: str, status: int, user_id: str) -> JSONResponse:
    """How X says that an account's posts cannot be had."""
    if state == "protected":
        detail = f"Sorry, you are not authorized to see the user with id: [{user_id}]."
        kind = f"{PROBLEMS}/not-authorized-for-resource"
        return _problem(status, kind, "Authorization Error", detail)
    kind = f"{PROBLEMS}/resource-not-found"
    if state == "suspended":
        return _problem(status, kind, "Forbidden", f"User has been suspended: [{user_id}].")
    detail = f"Could not find user with id: [{user_id}]."
    return _problem(status, kind, "Not Found Error", detail)


def _by_username(api: XApi, request: Request) -> Response:
    wanted = request.path_params["username"].lower()
    found = [one for one in api.accounts.values() if one.username.lower() == wanted]
    return _user(found[0] if found else None, wanted, request)


def _by_id(api: XApi, request: Request) -> Response:
    wanted = request.path_params["id"]
    return _user(api.accounts.get(wanted), wanted, request)


def _user(account: Account | None, wanted: str, request: Request) -> Response:
    if account is None:
        return unavailable("missing", 200, wanted)
    if account.state in ("suspended", "missing"):
        return unavailable(account.state, account.status, wanted)
    told = {
        "id": account.id,
        "name": account.name,
        "username": account.username,
        "profile_image_url": account.avatar,
        "protected": account.state == "protected",
        "public_metrics": {"tweet_count": len(account.posts)},
    }
    wanted_fields = {"id", "name", "username", *_asked_fields(request, "user.fields")}
    return JSONResponse({"data": {k: v for k, v in told.items() if k in wanted_fields}})


def _asked_fields(request: Request, name: str) -> list[str]:
    return request.query_params.get(name, "").split(",")


def _timeline(api: XApi, request: Request) -> Response:
    query = request.query_params
    account = api.accounts.get(request.path_params["id"])
    if account is None or account.state != "open":
        state, status = (account.state, account.status) if account else ("missing", 200)
        return unavailable(state, status, request.path_params["id"])
    asked = int(query.get("max_results", "10"))
    if not 5 <= asked <= 100 or len(query.multi_items()) != len(query):
        return _problem(400, f"{PROBLEMS}/invalid-request", "Invalid Request", "max_results")
    found = _visible(api, account, query.get("exclude", ""))
    low = int(query.get("since_id", "0"))
    high = int(query.get("until_id", str(2**63)))
    if token := query.get("pagination_token"):
        high = min(high, int(token.split("x")[1]))
    found = [post for post in found if low < int(post["id"]) < high]
    page = found[: min(asked, api.page_size(asked))]
    return _page(request, page, len(found) > len(page), high)


def _visible(api: XApi, account: Account, exclude: str) -> list[dict[str, Any]]:
    newest_first = sorted(account.posts, key=lambda post: int(post["id"]), reverse=True)
    excluded = {"replies": "replied_to", "retweets": "retweeted"}
    types = {excluded[name] for name in exclude.split(",") if name}
    limit = min(api.limit, 800) if "replied_to" in types else api.limit
    return [
        post
        for post in newest_first[:limit]
        if api.shows(post)
        and not types & {each["type"] for each in post.get("referenced_tweets", [])}
    ]


def _page(request: Request, page: list[dict[str, Any]], has_more: bool, high: int) -> Response:
    fields = {"id", "text", "edit_history_tweet_ids", *_asked_fields(request, "tweet.fields")}
    data = [{key: value for key, value in post.items() if key in fields} for post in page]
    meta: dict[str, Any] = {"result_count": len(data)}
    if data:
        meta |= {"newest_id": data[0]["id"], "oldest_id": data[-1]["id"]}
    if has_more:
        meta["next_token"] = f"7140x{data[-1]['id'] if data else high}"
    return JSONResponse({"data": data, "meta": meta} if data else {"meta": meta})


def _posts(api: XApi, request: Request) -> Response:
    ids = request.query_params["ids"].split(",")
    if len(ids) > 100:
        return _problem(400, f"{PROBLEMS}/invalid-request", "Invalid Request", "ids")
    states = {p["id"]: (a.state, p) for a in api.accounts.values() for p in a.posts}
    answer: dict[str, Any] = {"data": [], "errors": []}
    for post_id in ids:
        state, post = states.get(post_id, ("missing", {}))
        if state == "open":
            answer["data"].append({"id": post_id, "text": post["text"]})
        else:
            body = json.loads(bytes(unavailable(state, 200, post_id).body))
            problem = body["errors"][0]
            answer["errors"].append({**problem, "resource_id": post_id, "resource_type": "tweet"})
    return JSONResponse({key: value for key, value in answer.items() if value})
