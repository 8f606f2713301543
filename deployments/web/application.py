"""The local page as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from deployments.server.request_guard import RequestGuard
from deployments.web import api, making, pages
from deployments.web.bots import UnknownBot
from deployments.web.jobs import Jobs
from deployments.web.login import Login
from deployments.web.protection import Protection
from deployments.web.uploads import Uploads
from deployments.web.writer import Writer
from tasks.core.errors import (
    BadInput,
    DamagedState,
    HuggingtweetsError,
    PermanentError,
    StorageUnusable,
    TransientError,
)
from tasks.gallery.pages import STATIC as ASSETS
from tasks.storage.drafts import temporary_folder

# The first that fits.
_STATUSES: dict[type[HuggingtweetsError], int] = {
    UnknownBot: 404,
    BadInput: 400,
    TransientError: 503,
    DamagedState: 500,
    StorageUnusable: 500,
    PermanentError: 409,
}
_TYPES = ("application/json", "application/octet-stream")


@dataclass(frozen=True)
class WebServer:
    """How the page is served.

    names: further ones that the server is reached by. token: what it asks for, or None.
    prefect: the address of Prefect's UI, or None. most_upload: bytes of a file.
    writer: the module of the process that writes posts.
    """

    host: str
    port: int
    names: tuple[str, ...] = ()
    token: SecretStr | None = None
    prefect: str | None = None
    most_upload: int = 20_000_000_000
    writer: str = "deployments.web.write_posts"


def create_app(server: WebServer) -> FastAPI:
    """The application, which answers everybody."""
    app = FastAPI(
        title="huggingtweets",
        version=version("huggingtweets"),
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan,
    )
    app.state.prefect = server.prefect
    app.state.writer_module = server.writer
    app.state.token = server.token.get_secret_value() if server.token else None
    app.include_router(api.router)
    app.include_router(making.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC))
    app.mount("/assets", StaticFiles(directory=ASSETS))  # the site's
    app.add_exception_handler(HuggingtweetsError, _own_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def guarded(app: ASGIApp, server: WebServer) -> ASGIApp:
    """The application behind its login and its guards."""
    inner = Login(app, server.token) if server.token else app
    guard = RequestGuard(inner, server.host, server.port, server.names, _TYPES)
    return Protection(guard, server.most_upload)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    with temporary_folder() as folder:
        app.state.writer = writer = Writer(app.state.writer_module)
        app.state.uploads = uploads = Uploads(folder)
        app.state.jobs = jobs = Jobs(uploads)
        try:
            yield
        finally:
            await asyncio.gather(writer.close(), jobs.close())


def _own_error(request: Request, error: Exception) -> Response:
    status = next((number for kind, number in _STATUSES.items() if isinstance(error, kind)), 500)
    return _shown(request, str(error), status)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as it was registered
    # What Starlette says itself of an address that is no route of ours.
    message = "there is nothing at this address" if error.detail == "Not Found" else error.detail
    shown = _shown(request, message, error.status_code)
    shown.headers.update(error.headers or {})
    return shown


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as it was registered
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return _shown(request, f"{where}: {first['msg']}", 422)


def _shown(request: Request, message: str, status: int) -> Response:
    """An error as the one who asks can read it."""
    if request.url.path.startswith("/api") or request.method != "GET":
        return JSONResponse({"error": message}, status)
    return pages.show(request, "error.html", status, message=message)
