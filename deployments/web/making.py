"""The API by which bots are made: uploads, and jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from deployments.web.bot_sources import FromFile, FromService
from deployments.web.jobs import Job, Jobs, TooManyJobs
from deployments.web.uploads import NoRoom, Uploads
from tasks.core.names import MAX_HANDLES
from tasks.core.settings import settings

router = APIRouter(prefix="/api")
EMBEDDED = "embedded"


def bases() -> list[str]:
    """The bases that a bot can be trained from here, the usual one first."""
    return list(dict.fromkeys((settings().base, EMBEDDED)))


class Asked(BaseModel):
    """A bot to make."""

    model_config = ConfigDict(extra="forbid")

    sources: Annotated[list[FromFile | FromService], Field(min_length=1, max_length=MAX_HANDLES)]
    base: str | None = Field(None, description="One of those that the page offers")


class Agreed(BaseModel):
    """Consent: these are the posts of the person who gives it, or their owner has agreed."""

    model_config = ConfigDict(extra="forbid")

    agreed: Literal[True]
    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"\S", description="Of that person")
    ]


@router.post("/uploads", status_code=201)
async def upload(
    request: Request, name: Annotated[str, Query(min_length=1, max_length=300)]
) -> dict[str, str]:
    """Store the body, an archive or a table, until a job uses it."""
    uploads: Uploads = request.app.state.uploads
    size = int(request.headers.get("content-length", "0"))
    try:
        received = await uploads.receive(request.stream(), size, name)
    except NoRoom as error:
        raise HTTPException(507, str(error)) from None
    except ClientDisconnect:
        raise HTTPException(400, "the upload was cut off") from None  # for the log: nobody reads it
    return {"upload": received.id}


@router.post("/jobs", status_code=201)
async def start(request: Request, asked: Asked) -> dict[str, str]:
    """Read what a bot would be made of; it is made once its job has consent."""
    base = asked.base or settings().base
    if base not in bases():
        raise HTTPException(422, f"base: choose one of {', '.join(bases())}")
    jobs: Jobs = request.app.state.jobs
    try:
        return {"job": jobs.start(asked.sources, base).id}
    except TooManyJobs:
        refusal = "as many bots are being made as can be at a time: try again later"
        raise HTTPException(503, refusal, {"Retry-After": "60"}) from None


def found_job(request: Request, job: str) -> Job:
    """The job that an address names."""
    found: Job | None = request.app.state.jobs.find(job)
    if found is None:
        raise HTTPException(404, "there is no such job; after a restart they are forgotten")
    return found


@router.get("/jobs/{job}")
async def state(found: Annotated[Job, Depends(found_job)]) -> dict[str, Any]:
    """How far a job is."""
    return found.shown()


@router.get("/jobs/{job}/events", response_class=EventSourceResponse)
async def events(found: Annotated[Job, Depends(found_job)]) -> AsyncIterator[ServerSentEvent]:
    """How far a job is, again after each change, to its end."""
    async for each in found.states():
        yield ServerSentEvent(event="state", data=each)


@router.post("/jobs/{job}/consent", status_code=204)
async def consent(
    request: Request, found: Annotated[Job, Depends(found_job)], agreed: Agreed
) -> None:
    """Give consent; the bot is made."""
    await request.app.state.jobs.agree(found, agreed.name.strip())


@router.delete("/jobs/{job}", status_code=204)
async def cancel(request: Request, found: Annotated[Job, Depends(found_job)]) -> None:
    """Have a job end soon; what it has imported stays."""
    request.app.state.jobs.cancel(found)
