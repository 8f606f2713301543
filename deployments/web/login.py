"""The login of the local page, wherever somebody else than this machine's user could reach it."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "huggingtweets-session"
_OPEN = ("/login", "/favicon.ico", "/static/", "/assets/")  # what the login page needs


def token_for(host: str, names: Collection[str], given: SecretStr | None) -> SecretStr | None:
    """The token that the server asks for, or None where it needs none.

    host: that it listens on. names: further ones that it is reached by: a proxy's, perhaps.
    given: by the settings; it is asked for in any case.
    """
    if given is not None:
        return given
    if _is_loopback(host) and not names:
        return None
    return SecretStr(secrets.token_urlsafe(32))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Login:
    """Passes on requests that show the token, by the cookie or as `Authorization: Bearer`."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self._app = app
        self._token = token.get_secret_value()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or ask for the token."""
        if scope["type"] != "http" or _is_open(scope["path"]) or self._is_known(scope):
            await self._app(scope, receive, send)
        elif scope["path"].startswith("/api"):
            refusal = {"error": "log in, or send the token as `Authorization: Bearer …`"}
            await JSONResponse(refusal, 401)(scope, receive, send)
        else:
            to = f"/login?to={quote(scope['path'], safe='')}"
            await RedirectResponse(to, 303)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and accepts(self._token, bearer.strip()):
            return True
        shown = _cookie(headers.get("cookie", ""), f"{COOKIE}-{scope['server'][1]}")
        return hmac.compare_digest(shown.encode(), session_of(self._token).encode())


def accepts(token: str, given: str) -> bool:
    """Whether somebody has given the token; how long that takes does not depend on it."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def session_of(token: str) -> str:
    """What the cookie holds: it follows from the token, which cannot be computed from it."""
    return hmac.digest(token.encode(), b"huggingtweets web session", "sha256").hex()


def _is_open(path: str) -> bool:
    return any(path == each or (each[-1] == "/" and path.startswith(each)) for each in _OPEN)


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
