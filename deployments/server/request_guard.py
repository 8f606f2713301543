"""Refuses requests that foreign web pages make the operator's browser send to a server of ours.

Whoever can call Prefect's API can run commands on its workers. Browsers let any page post to any
address, open websockets to it, and use a name of the page's own that resolves to it (DNS
rebinding). So a request is answered only if its `Host` is one of the server's names, and so is its
`Origin`, if it has one. A body must have the type of JSON, or another that pages of other origins
cannot send without the server's consent (CORS).

The guard wraps the whole application instead of being a middleware in it: Prefect's services call
the application directly, under a host name that they make up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"(https?)://(.*)", re.ASCII)
_JSON = "application/json"


class RequestGuard:
    """Passes on to an application only what is addressed to it, from nowhere else, and JSON."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        names: Iterable[str] = (),
        types: Collection[str] = (_JSON,),
    ) -> None:
        """Guard a server that listens on `host` and `port`.

        names: further names that it is reached by, as `name` or `name:port`. Without a port: the
            server's own, 80 and 443.
        types: that bodies may have; none of a form's, which any page can send.
        """
        self._app = app
        self._port = port
        self._types = types
        self._allowed = {(name, port) for name in (*_LOOPBACK, _bracketed(host.lower()))}
        for each in names:
            name, own_port = _parse(each) or (each, None)
            ports = {own_port} if own_port else {port, *_DEFAULT_PORTS.values()}
            self._allowed |= {(name, each_port) for each_port in ports}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or refuse; websockets are closed before they open."""
        refusal = self._refusal(scope) if scope["type"] in {"http", "websocket"} else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(reason=refusal[1])(scope, receive, send)
        else:
            await PlainTextResponse(f"{refusal[1]}\n", refusal[0])(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the reason of a refusal, or None."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_ours("http", hosts[0]):
            return 403, (
                f"{_shown(hosts)} is not a name of this server; add it to HUGGINGTWEETS_HOSTS if "
                "you reach the server by it"
            )
        if origins and not (len(origins) == 1 and self._is_own_origin(origins[0])):
            return 403, f"{_shown(origins)} is not an origin of this server"
        if _has_body(headers) and not self._is_allowed(headers.getlist("content-type")):
            return 415, f"a body must be {' or '.join(self._types)}"
        return None

    def _is_allowed(self, types: list[str]) -> bool:
        return len(types) == 1 and types[0].partition(";")[0].strip().lower() in self._types

    def _is_own_origin(self, origin: str) -> bool:
        found = _ORIGIN.fullmatch(origin.lower())
        return found is not None and self._is_ours(found[1], found[2])

    def _is_ours(self, scheme: str, authority: str) -> bool:
        parsed = _parse(authority)
        if parsed is None:
            return False
        name, port = parsed
        return (name, port or _DEFAULT_PORTS[scheme]) in self._allowed


def _parse(authority: str) -> tuple[str, int | None] | None:
    """The name and port of `name`, `name:port` or `[address]:port`; None for anything else."""
    found = _AUTHORITY.fullmatch(authority.lower())
    return (found[1], int(found[2]) if found[2] else None) if found else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _shown(values: list[str]) -> str:
    return repr(", ".join(values)[:100])
