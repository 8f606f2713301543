"""A web server that has pictures, and ways to be tiresome about them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

DRIP_SECONDS = 0.05


@dataclass
class Pictures:
    """The server's state, open to the tests.

    files: by path, the content type and the bytes; requests: the paths asked for.
    """

    url: str = ""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


@contextmanager
def running_pictures(certificate: Path | None = None) -> Iterator[Pictures]:
    """Serve on a free port of this machine until the block ends.

    `/away` redirects to `/a.png`, `/drip` sends a byte now and then and never ends.
    certificate: PEM with its key, to speak https.
    """
    pictures = Pictures()

    async def answer(request: Request) -> Response:
        pictures.requests.append(request.url.path)
        if request.url.path == "/away":
            return RedirectResponse("/a.png")
        if request.url.path == "/drip":
            return StreamingResponse(_drops(), media_type="image/png")
        if request.url.path not in pictures.files:
            return Response(status_code=404)
        kind, data = pictures.files[request.url.path]
        return Response(data, media_type=kind)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    config = uvicorn.Config(
        app, port=0, log_level="critical", lifespan="off", ssl_certfile=certificate
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    scheme = "https" if certificate else "http"
    pictures.url = f"{scheme}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield pictures
    finally:
        server.should_exit = True
        thread.join(10)


async def _drops() -> AsyncIterator[bytes]:
    while True:
        yield b"\x00"
        await asyncio.sleep(DRIP_SECONDS)
