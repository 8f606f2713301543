"""What every answer of the local page carries, and which requests are refused before it sees them.

Beside `RequestGuard`, which refuses foreign names and origins: browsers send no `Origin` with a
picture's or a script's address, so requests that another site's page makes are refused by what the
browser says of them (`Sec-Fetch-Site`); a link to a page is followed. A body has a length, which is
checked before a byte of it is read.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOADS = "/api/uploads"
MOST_JSON = 65_536  # bytes of a body that is no upload
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    # Not `no-referrer`: forms would then send `Origin: null`, which the guard refuses.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OURS = ("same-origin", "none")  # `none`: typed, or a bookmark


class Protection:
    """Adds `HEADERS` to every answer, and refuses what other sites' pages and long bodies ask."""

    def __init__(self, app: ASGIApp, most_upload: int) -> None:
        """most_upload: bytes of a file that is uploaded."""
        self._app = app
        self._most_upload = most_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")  # bots may be private
            await send(message)

        refusal = _foreign(scope) or self._too_long(scope)
        if refusal is None:
            await self._app(scope, receive, send_protected)
        else:
            answer = PlainTextResponse(f"{refusal[1]}\n", refusal[0], {"Connection": "close"})
            await answer(scope, receive, send_protected)

    def _too_long(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers:
            return 411, "a body must have a Content-Length"
        most = self._most_upload if scope["path"] == UPLOADS else MOST_JSON
        length = int(headers.get("content-length", "0"))  # uvicorn has refused what is no number
        return (413, f"at most {most:,} bytes are taken here") if length > most else None


def _foreign(scope: Scope) -> tuple[int, str] | None:
    headers = Headers(scope=scope)
    if headers.get("sec-fetch-site", "none") in _OURS:
        return None
    is_link = (
        scope["method"] == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and not scope["path"].startswith("/api")
    )
    return None if is_link else (403, "this request comes from a page of another site")
