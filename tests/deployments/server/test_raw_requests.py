"""What only raw sockets can send, to the guard behind uvicorn's parser, as the server runs it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from deployments.server.request_guard import RequestGuard
from tests.servers.prefect_site import free_port, until


@dataclass
class Guarded:
    """A server that notes what has reached it, and answers `fine`."""

    port: int
    reached: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            self.reached.append(f"websocket {scope['path']}")
            await send({"type": "websocket.accept"})
        else:
            body = await Request(scope, receive).body()
            self.reached.append(f"{scope['method']} {scope['path']} {body.decode()}".strip())
            await PlainTextResponse("fine")(scope, receive, send)

    def ask(self, request: str) -> list[int]:
        """The statuses of all answers to what is sent; `HOST` stands for the server's own name."""
        text = request.replace("HOST", f"127.0.0.1:{self.port}")
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(text.encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    application = Guarded(free_port())
    guard = RequestGuard(application, "127.0.0.1", application.port)
    running = uvicorn.Server(
        uvicorn.Config(guard, port=application.port, log_level="critical", timeout_keep_alive=1)
    )
    thread = threading.Thread(target=running.run)
    thread.start()
    until(lambda: running.started, 20, "the server")
    yield application
    running.should_exit = True
    thread.join()


def asked(*lines: str, body: str = "") -> str:
    return "\r\n".join([*lines, "", body])


WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
CHUNKED = ("Transfer-Encoding: chunked",)
RUN = asked("POST /run HTTP/1.1", "Host: HOST", "Content-Length: 0")
REFUSED = {
    "no host": asked("GET / HTTP/1.1"),
    "no host, an older protocol": asked("GET / HTTP/1.0"),
    "an older protocol": asked("GET / HTTP/1.0", "Host: evil.example"),
    "two hosts": asked("GET / HTTP/1.1", "Host: HOST", "Host: evil.example"),
    "our host twice": asked("GET / HTTP/1.1", "Host: HOST", "Host: HOST"),
    "two hosts in one": asked("GET / HTTP/1.1", "Host: HOST, evil.example"),
    "a folded host": asked("GET / HTTP/1.1", "Host: evil.example", " HOST"),
    "a user": asked("GET / HTTP/1.1", "Host: user@HOST"),
    "our name as a user": asked("GET / HTTP/1.1", "Host: HOST@evil.example"),
    "a mapped address": asked("GET / HTTP/1.1", "Host: [::ffff:127.0.0.1]"),
    "a zone": asked("GET / HTTP/1.1", "Host: [::1%25lo]:80"),
    "an address of a page": asked("GET http://HOST/ HTTP/1.1", "Host: evil.example"),
    "a colon too many": asked("GET / HTTP/1.1", "Host: HOST:"),
    "a host in a header's name": asked("GET / HTTP/1.1", "X: y", "Host : HOST"),
    "origin null": asked("POST / HTTP/1.1", "Host: HOST", "Origin: null", "Content-Length: 0"),
    "a foreign origin": asked("GET / HTTP/1.1", "Host: HOST", "Origin: http://evil.example"),
    "two origins": asked("GET / HTTP/1.1", "Host: HOST", "Origin: http://HOST", "Origin: null"),
    "a preflight": asked(
        "OPTIONS / HTTP/1.1", "Host: HOST", "Origin: http://evil.example",
        "Access-Control-Request-Method: POST",
    ),
    "a websocket of a page": asked(
        "GET /events HTTP/1.1", "Host: HOST", "Origin: http://evil.example", *WEBSOCKET
    ),
    "a websocket of a sandbox": asked(
        "GET /events HTTP/1.1", "Host: HOST", "Origin: null", *WEBSOCKET
    ),
    "a websocket by another name": asked("GET /events HTTP/1.1", "Host: evil.example", *WEBSOCKET),
    "HTTP/2 by another name": asked(
        "GET / HTTP/1.1", "Host: evil.example", "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__",
    ),
    "HTTP/2 at once": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "chunks without a type": asked(
        "POST / HTTP/1.1", "Host: HOST", *CHUNKED, body="2\r\n{}\r\n0\r\n\r\n"
    ),
    "chunks in capitals": asked(
        "POST / HTTP/1.1", "Host: HOST", "TRANSFER-ENCODING: CHUNKED", body="2\r\n{}\r\n0\r\n\r\n"
    ),
    "chunks and a length of nothing": asked(
        "POST / HTTP/1.1", "Host: HOST", "Content-Length: 0", *CHUNKED,
        body="2\r\n{}\r\n0\r\n\r\n",
    ),
    "two lengths": asked(
        "POST / HTTP/1.1", "Host: HOST", "Content-Length: 0", "Content-Length: 2", body="{}"
    ),
    "a length in disguise": asked("POST / HTTP/1.1", "Host: HOST", "Content-Length: +2", body="{}"),
    "a form": asked(
        "POST / HTTP/1.1", "Host: HOST", "Content-Type: multipart/form-data; boundary=x",
        "Content-Length: 2", body="{}",
    ),
    "a request in a refused body": asked(
        "POST / HTTP/1.1", "Host: HOST", "Origin: http://evil.example", "Content-Type: text/plain",
        f"Content-Length: {len(RUN)}", body=RUN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_of_it_reaches_the_application(server: Guarded, what: str) -> None:
    server.reached.clear()
    statuses = server.ask(REFUSED[what])
    assert server.reached == []
    assert all(400 <= status < 500 for status in statuses), statuses


@pytest.mark.parametrize(
    ("request_", "reached"),
    [
        (asked("GET /a HTTP/1.1", "Host: HOST"), "GET /a"),
        (asked("GET /a HTTP/1.1", "hOsT: HOST"), "GET /a"),
        (asked("GET /a HTTP/1.1", "Host: HOST", "Upgrade: h2c", "Connection: Upgrade"), "GET /a"),
        (asked("GET /a HTTP/1.1", "Host: HOST", *WEBSOCKET), "websocket /a"),
        (asked("GET /a HTTP/1.1", "Host: HOST", "Origin: HTTP://HOST", *WEBSOCKET), "websocket /a"),
        (
            asked(
                "POST /a HTTP/1.1", "Host: HOST", "Content-Type: application/json", *CHUNKED,
                body="2\r\n{}\r\n0\r\n\r\n",
            ),
            "POST /a {}",
        ),
    ],
)  # fmt: skip
def test_what_is_ours_reaches_it_once(server: Guarded, request_: str, reached: str) -> None:
    server.reached.clear()
    server.ask(request_)
    assert server.reached == [reached]
