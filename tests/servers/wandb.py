"""Weights & Biases for tests: its GraphQL and its uploads over real HTTP, for the real client.

`with running_wandb() as server:` serves at `server.url`; `server.state` holds the runs and
artifacts that came. Faults are scripted: `server.fault` decides on each request, by the name of
its step: the name of the GraphQL operation, or `stream`, `upload`, `download`. `server.die()` ends
it in the middle of whatever it does; `server.steps` lists what was asked.
"""

from __future__ import annotations

import asyncio
import threading
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from graphql import OperationDefinitionNode, parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.wandb_graphql import answer
from tests.servers.wandb_state import State

KEY = "0123456789abcdef0123456789abcdef01234567"  # of the form that the client asks for


@dataclass
class Fault:
    """What happens instead of the right answer.

    status: answered; 0 never answers; `dies` ends the server for good.
    """

    status: int = 500
    dies: bool = False


@dataclass
class Wandb:
    """The server, open to the tests.

    strange: what was asked for and is not played here.
    """

    key: str = KEY
    state: State = field(default_factory=State)
    fault: Callable[[str], Fault | None] = lambda _: None
    steps: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    closing: bool = False
    die: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return self.state.url


@contextmanager
def running_wandb(state: State | None = None) -> Iterator[Wandb]:
    """Serve W&B on a free port of this machine until the block ends: a fresh one, or one again."""
    wandb = Wandb(state=state or State())
    config = uvicorn.Config(_app(wandb), port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    wandb.state.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    def die() -> None:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    wandb.die = die
    try:
        yield wandb
    finally:
        wandb.closing = True
        server.should_exit = True
        thread.join(10)


Step = Callable[[Wandb, Request], Awaitable[Response]]


def _app(wandb: Wandb) -> Starlette:
    def route(path: str, methods: list[str], name: str, step: Step) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _served(wandb, name, step, request)

        return Route(path, endpoint, methods=methods)

    stream = "/files/{entity}/{project}/{run}/file_stream"
    return Starlette(
        routes=[
            route("/graphql", ["POST"], "", _graphql),
            route(stream, ["POST"], "stream", _stream),
            route("/uploads/{key:path}", ["PUT"], "upload", _upload),
            route("/uploads/{key:path}", ["GET"], "download", _download),
            route("/artifactsV2/{path:path}", ["GET"], "download", _file),
            route("/{path:path}", ["GET", "POST", "PUT"], "strange", _strange),
        ]
    )


async def _served(wandb: Wandb, name: str, step: Step, request: Request) -> Response:
    name = name or await _operation(request)
    wandb.steps.append(name)
    fault = wandb.fault(name)
    if fault is None:
        return await step(wandb, request)
    if fault.dies:
        wandb.die()
    while fault.dies or fault.status == 0:
        if wandb.closing:
            break
        await asyncio.sleep(0.05)
    return JSONResponse({"errors": [{"message": "a fault of the tests"}]}, fault.status or 500)


async def _operation(request: Request) -> str:
    definitions = parse((await request.json())["query"]).definitions
    (operation,) = (each for each in definitions if isinstance(each, OperationDefinitionNode))
    return operation.name.value if operation.name else "unnamed"


def _is_known(wandb: Wandb, request: Request) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind == "Basic" and b64decode(given).decode() == f"api:{wandb.key}"


async def _graphql(wandb: Wandb, request: Request) -> Response:
    if not _is_known(wandb, request):
        return JSONResponse({"errors": [{"message": "user is not logged in"}]}, 401)
    asked = await request.json()
    try:
        data = answer(asked["query"], asked.get("variables") or {}, wandb.state.root())
    except Exception as error:  # noqa: BLE001  (else the client would try for ever)
        wandb.strange.append(f"{error!r} in {asked['query']} {asked.get('variables')}")
        return JSONResponse({"errors": [{"message": str(error)}]}, 400)
    return JSONResponse({"data": data})


async def _stream(wandb: Wandb, request: Request) -> Response:
    wandb.state.stream(request.path_params["run"], await request.json())
    return JSONResponse({"exitcode": None, "limits": {}})


async def _upload(wandb: Wandb, request: Request) -> Response:
    wandb.state.uploads[request.path_params["key"]] = await request.body()
    return Response()


async def _download(wandb: Wandb, request: Request) -> Response:
    found = wandb.state.uploads.get(request.path_params["key"])
    return Response(status_code=404) if found is None else Response(found)


async def _file(wandb: Wandb, request: Request) -> Response:
    """A file of an artifact, which is addressed by the digest of its content."""
    wanted = request.path_params["path"].split("/")
    for key, data in wandb.state.uploads.items():
        if key.startswith(f"artifacts/{wanted[-3]}/") and key.endswith(f"/{wanted[-1]}"):
            return Response(data)
    return Response(status_code=404)


async def _strange(wandb: Wandb, request: Request) -> Response:
    wandb.strange.append(f"{request.method} {request.url.path}")
    return Response(status_code=404)
