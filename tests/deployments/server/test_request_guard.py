"""What the guard lets through, on an application that answers everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from deployments.server.request_guard import RequestGuard

Headers = list[tuple[bytes, bytes]]
HOST = (b"host", b"127.0.0.1:4200")
JSON = (b"content-type", b"application/json")
BODY = (b"content-length", b"2")


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that accepts all."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("fine")(scope, receive, send)


def ask(headers: Headers, kind: str = "http", **options: Any) -> str:
    """What comes of a request: the status, or the first message of a websocket."""
    given = {"host": "127.0.0.1", "port": 4200, **options}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": f"{kind}.request"}

    scope = {"type": kind, "method": "POST", "path": "/", "headers": headers}
    asyncio.run(RequestGuard(answering, **given)(scope, receive, send))
    return str(sent[0].get("status", sent[0]["type"]))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:4200", "localhost:4200", "LOCALHOST:4200", "[::1]:4200"]
)
def test_loopback_names_with_our_port_are_ours(host: str) -> None:
    name = host.encode()
    assert ask([(b"host", name)]) == "200"
    assert ask([(b"host", name), (b"origin", b"http://" + name)]) == "200"
    assert ask([(b"host", name)], "websocket") == "websocket.accept"


@pytest.mark.parametrize(
    "host",
    [
        *["evil.example", "evil.example:4200", "localhost", "localhost:80", "localhost:42000"],
        *[
            "localhost.evil.example:4200",
            "localhost:4200.evil.example",
            "evil.example/localhost:4200",
        ],
        *[
            "user@localhost:4200",
            "localhost:4200@evil.example",
            "localhost.:4200",
            "",
            ":4200",
            "*",
        ],
        *[
            "127.1:4200",
            "2130706433:4200",
            "192.168.0.2:4200",
            "[::ffff:127.0.0.1]:4200",
            "\xfe:4200",
        ],
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    name = host.encode("latin-1")
    assert ask([(b"host", name)]) == "403"
    assert ask([(b"host", name)], "websocket") == "websocket.close"


@pytest.mark.parametrize(
    "origin",
    [
        *["http://evil.example", "http://evil.example:4200", "http://127.0.0.1:8000", "null", ""],
        *["https://localhost", "file://", "http://localhost", "http://127.0.0.1:4200.evil.example"],
        *["http://127.0.0.1:4200@evil.example", "ftp://127.0.0.1:4200", "127.0.0.1:4200", "*"],
        *["http://127.0.0.1:4200/", "http://127.0.0.1:4200 http://evil.example"],
    ],
)
def test_other_origins_are_refused(origin: str) -> None:
    headers = [HOST, (b"origin", origin.encode())]
    assert ask(headers) == "403"
    assert ask(headers, "websocket") == "websocket.close"


def test_a_host_or_origin_given_twice_or_not_at_all_is_refused() -> None:
    own = (b"origin", b"http://127.0.0.1:4200")
    assert ask([]) == "403"
    assert ask([HOST, HOST]) == "403"
    assert ask([HOST, (b"host", b"evil.example")]) == "403"
    assert ask([HOST, own, (b"origin", b"http://evil.example")]) == "403"
    assert ask([HOST]) == "200", "programs send no origin"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], "200"),
        ([(b"content-length", b"0")], "200"),
        ([BODY, JSON], "200"),
        ([BODY, (b"content-type", b"Application/JSON; charset=utf-8")], "200"),
        ([BODY], "415"),
        ([(b"transfer-encoding", b"chunked")], "415"),
        ([(b"transfer-encoding", b"chunked"), JSON], "200"),
        ([BODY, (b"content-type", b"text/plain")], "415"),
        ([BODY, (b"content-type", b"text/plain; a=application/json")], "415"),
        ([BODY, (b"content-type", b"application/x-www-form-urlencoded")], "415"),
        ([BODY, (b"content-type", b"application/json-seq")], "415"),
        ([BODY, JSON, (b"content-type", b"text/plain")], "415"),
    ],
)
def test_a_body_must_be_json(headers: Headers, status: str) -> None:
    assert ask([HOST, *headers]) == status


@pytest.mark.parametrize(
    ("names", "host", "origin", "status"),
    [
        (["bots.example.com"], "bots.example.com", "https://bots.example.com", "200"),
        (["bots.example.com"], "Bots.Example.COM", "http://bots.example.com", "200"),
        (["bots.example.com"], "bots.example.com:4200", "http://bots.example.com:4200", "200"),
        (["bots.example.com"], "bots.example.com:8443", "https://bots.example.com:8443", "403"),
        (
            ["bots.example.com:8443"],
            "bots.example.com:8443",
            "https://bots.example.com:8443",
            "200",
        ),
        (["bots.example.com:8443"], "bots.example.com", "https://bots.example.com", "403"),
        (["bots.example.com"], "127.0.0.1:4200", "https://bots.example.com", "200"),
        (["localhost:5000"], "localhost:5000", "http://localhost:5000", "200"),
        (["bots.example.com"], "www.bots.example.com", "https://www.bots.example.com", "403"),
        ([], "bots.example.com", "https://bots.example.com", "403"),
    ],
)
def test_the_operators_own_names(names: list[str], host: str, origin: str, status: str) -> None:
    assert ask([(b"host", host.encode()), (b"origin", origin.encode())], names=names) == status


@pytest.mark.parametrize(
    ("bound", "host"), [("10.0.0.5", "10.0.0.5:4200"), ("::1", "[::1]:4200"), ("BOX", "box:4200")]
)
def test_the_address_that_the_server_listens_on_is_its_name(bound: str, host: str) -> None:
    assert ask([(b"host", host.encode())], host=bound) == "200"


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_whatever_a_page_calls_itself_is_refused(name: str) -> None:
    ours = {f"{host}:4200" for host in ("localhost", "127.0.0.1", "[::1]")}
    if name.lower() not in ours:
        assert ask([(b"host", name.encode("latin-1"))]) == "403"
        assert ask([HOST, (b"origin", f"http://{name}".encode("latin-1"))]) == "403"


def test_what_is_no_request_passes() -> None:
    scope = {"type": "lifespan"}
    seen: list[Scope] = []

    async def noting(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def nothing(*_words: Any) -> Any:
        raise AssertionError

    asyncio.run(RequestGuard(noting, "127.0.0.1", 4200)(scope, nothing, nothing))
    assert seen == [scope]
