"""The pages: HTML from templates, with scripts and styles from `static/`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from jinja2 import ChoiceLoader, FileSystemLoader
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.templating import Jinja2Templates

from deployments.web.api import MOST_POSTS, MOST_START
from deployments.web.bot_sources import SERVICES
from deployments.web.bots import consents_of, known_entry, named_bot, picture_of
from deployments.web.jobs import Job
from deployments.web.login import COOKIE, accepts, session_of
from deployments.web.making import bases, found_job
from tasks.core.names import Bot
from tasks.gallery.entries import details_of, entries_of
from tasks.gallery.pages import STATIC as ASSETS
from tasks.gallery.pages import TEMPLATES, environment, newest_first
from tasks.operations.bot_status import status_of
from tasks.operations.consents import STATEMENT
from tasks.storage import storage_root

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
router = APIRouter(include_in_schema=False)
_SESSION = 30 * 24 * 60 * 60  # seconds


@cache
def _templates() -> Jinja2Templates:
    """Our templates, which extend those of the site: both have one look."""
    made = environment()
    made.loader = ChoiceLoader(
        [FileSystemLoader(FOLDER / "templates"), FileSystemLoader(TEMPLATES)]
    )
    made.globals["root"] = "/"
    return Jinja2Templates(env=made)


def show(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page by its template."""
    common = {"prefect": _prefect(request)}
    return _templates().TemplateResponse(request, template, {**common, **values}, status)


def _prefect(request: Request) -> str | None:
    """Prefect's UI as the visitor reaches it: a server on all addresses is where this one is."""
    address: str | None = request.app.state.prefect
    return address and re.sub(r"//(0\.0\.0\.0|\[::\])(?=:)", f"//{request.url.hostname}", address)


@router.get("/")
def gallery(request: Request) -> Response:
    """All bots, private ones too."""
    entries = newest_first(list(entries_of(storage_root(), private=True)))
    return show(request, "gallery.html", entries=entries)


@router.get("/bots/{name}")
async def bot(request: Request, name: str) -> Response:
    """One bot: it writes here."""
    values = await run_in_threadpool(_bot_values, named_bot(name))
    request.app.state.writer.prepare(name)  # while its page is looked at
    return show(request, "bot.html", most_posts=MOST_POSTS, most_start=MOST_START, **values)


def _bot_values(bot: Bot) -> dict[str, Any]:
    """What the template of a bot's page shows."""
    storage = storage_root()
    entry, status = known_entry(storage, bot), status_of(storage, bot)
    return {
        "entry": entry,
        "details": details_of(storage, entry),
        "consents": consents_of(storage, bot),
        "outcome": status.outcome,
        "reason": status.reason,
        "folder": status.folder,
    }


@router.get("/bots/{name}/{picture}")
def picture(name: str, picture: str) -> Response:
    """A picture of a bot's release; its address in a page ends with the revision."""
    content = picture_of(storage_root(), named_bot(name), picture)
    return Response(
        content, headers={"Cache-Control": "private, max-age=86400"}, media_type="image/png"
    )


@router.get("/make")
def make(request: Request) -> Response:
    """What a bot is to be made of."""
    return show(request, "make.html", services=SERVICES, bases=bases())


@router.get("/make/{job}")
def job(request: Request, found: Annotated[Job, Depends(found_job)]) -> Response:
    """A bot in the making."""
    return show(request, "job.html", job=found.id, statement=STATEMENT)


@router.get("/favicon.ico")
def favicon() -> Response:
    """What browsers ask for beside each page."""
    return FileResponse(ASSETS / "icon.svg", media_type="image/svg+xml")


class Given(BaseModel):
    """What somebody logs in with."""

    token: Annotated[str, Query(max_length=1_000)]


@router.get("/login")
def login_page(request: Request, token: str = "") -> Response:
    """Where the token is asked for; an address with the token in it is a login by itself."""
    if token and (logged_in := _logged_in(request, token, RedirectResponse("/", 303))):
        return logged_in
    return show(request, "login.html", wrong=bool(token))


@router.post("/login")
def log_in(request: Request, given: Given) -> Response:
    """Trade the token for a cookie."""
    return _logged_in(request, given.token, Response(status_code=204)) or JSONResponse(
        {"error": "this is not the token"}, 403
    )


def _logged_in(request: Request, given: str, answer: Response) -> Response | None:
    token: str | None = request.app.state.token
    if token is None or not accepts(token, given):
        return None
    port = request.scope["server"][1]
    answer.set_cookie(
        f"{COOKIE}-{port}", session_of(token), max_age=_SESSION, httponly=True, samesite="strict"
    )
    return answer
