"""The API: bots, and posts that they write; described in `/api/openapi.json`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from deployments.web.bots import UnknownBot, named_bot
from deployments.web.writer import Busy, Wish, Writer, Writing
from tasks.operations.bot_status import BotDetails, BotStatus, status_of, statuses
from tasks.operations.preview_posts import choose_posts
from tasks.operations.refreshing import refresh
from tasks.publishing.releases import latest_release
from tasks.storage import storage_root

router = APIRouter(prefix="/api")
MOST_POSTS = 20
MOST_START = 500  # characters
MOST_SEED = 2**53 - 1  # what JavaScript counts to


@router.get("/bots")
def bots() -> list[BotStatus]:
    """The bots that have a release."""
    return [each for each in statuses(storage_root()) if each.release is not None]


@router.get("/bots/{bot}")
def bot(bot: str) -> BotDetails:
    """Everything of one bot."""
    details = status_of(storage_root(), named_bot(bot))
    if details.release is None:
        raise UnknownBot(f"@{bot} has no release")
    return details


def _wish(
    bot: str,
    start: Annotated[str, Query(max_length=MOST_START, description="Of each post")] = "",
    number: Annotated[int, Query(ge=1, le=MOST_POSTS)] = 5,
    temperature: Annotated[float, Query(ge=0.01, le=100, allow_inf_nan=False)] = 1.0,
    seed: Annotated[int | None, Query(ge=0, le=MOST_SEED)] = None,
) -> Wish:
    if latest_release(storage_root(), named_bot(bot)) is None:
        raise UnknownBot(f"@{bot} has no release")
    chosen = int.from_bytes(os.urandom(4)) if seed is None else seed
    return Wish(bot, start, number, temperature, chosen)


async def _writing(request: Request, wish: Annotated[Wish, Depends(_wish)]) -> AsyncIterator[Any]:
    writer: Writer = request.app.state.writer
    try:
        writing = writer.ask(wish)
    except Busy:
        raise HTTPException(
            503, f"{writer.waiting} visitors wait for posts: try again soon", {"Retry-After": "20"}
        ) from None
    try:
        yield writing
    finally:
        writer.leave(writing)  # whether all is written, or the visitor has gone


@router.get("/bots/{bot}/posts", response_class=EventSourceResponse)
async def posts(
    request: Request,
    writing: Annotated[Writing, Depends(_writing)],
    *,
    drafts: Annotated[bool, Query(description="Send posts that are being written, too")] = False,
) -> AsyncIterator[ServerSentEvent]:
    """Posts by a bot, each as soon as it and those before it are written.

    Events: `seed`, then `ahead` (visitors before this one), `loading`, `loaded`, `drafts` (all
    texts so far, if asked for), `post` (a text), and `end` or `failure` (a message).
    """
    yield ServerSentEvent(event="seed", data=writing.wish.seed)
    async for event in request.app.state.writer.events(writing):
        for name, data in event.items():
            if name == "drafts" and not drafts:
                continue
            # Not `error`: that is what browsers call a lost connection.
            yield ServerSentEvent(event="failure" if name == "error" else name, data=data)


class Shown(BaseModel):
    """Posts that were written here: by what they were asked for."""

    model_config = ConfigDict(extra="forbid")

    start: Annotated[str, Field(max_length=MOST_START)]
    number: Annotated[int, Field(ge=1, le=MOST_POSTS)]
    temperature: Annotated[float, Field(ge=0.01, le=100)]
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)]


@router.post("/bots/{bot}/preview", status_code=204)
def preview(request: Request, bot: str, shown: Shown) -> None:
    """Draw the bot's preview picture with posts that it has just written here."""
    storage, named = storage_root(), named_bot(bot)
    release = latest_release(storage, named)
    if release is None:
        raise UnknownBot(f"@{bot} has no release")
    posts = request.app.state.writer.written(Wish(bot, **shown.model_dump()))
    if not posts:
        raise HTTPException(409, "these posts are not remembered any more: write some again")
    choose_posts(storage, release, posts)
    refresh(storage, release, for_hub=release.hub is not None)
