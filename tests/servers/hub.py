"""A Hub for tests: the protocol of the Hugging Face Hub over real HTTP, as far as our client needs.

`with running_hub() as hub:` serves at `hub.url`. Faults are scripted one by one, by the name of the
step that they strike: `hub.faults["commit"] = [Fault(504, after=True)]` applies the next commit and
loses its reply. `hub.requests` lists the steps in the order in which they were asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from huggingface_hub import constants
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

TOKEN = "hf_good_token_of_the_tests"  # noqa: S105  (worth nothing outside this server)
CHUNK = 1 << 14
_LARGE = (".safetensors", ".png")


@dataclass
class Fault:
    """What happens to one request instead of the right answer.

    status: answered; 0 cuts the connection without an answer.
    after: the request is carried out first, so that only the reply is lost.
    """

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    after: bool = False


@dataclass
class Commit:
    """One commit of a repository: its files, small ones as bytes, large ones by SHA-256."""

    oid: str
    summary: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """One repository of a model or a Space."""

    visibility: str
    commits: list[Commit]
    gated: str | bool = False
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> Commit:
        return self.commits[-1]


@dataclass
class Hub:
    """The server's whole state, open to the tests."""

    url: str = ""
    token: str = TOKEN
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    # By slug, the models with the ids of their items.
    collections: dict[str, dict[str, str]] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[str] = field(default_factory=list)
    # Called before a commit is looked at, for example to let somebody else commit first.
    before_commit: Callable[[Hub], None] = lambda _: None

    def add_commit(self, name: str, summary: str, files: dict[str, bytes]) -> Commit:
        """Put a commit with exactly these files on top."""
        repository = self.repositories[name]
        seed = f"{name}{len(repository.commits)}{summary}{sorted(files)}"
        commit = Commit(
            hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest(), summary, files
        )
        repository.commits.append(commit)
        return commit

    def create(self, name: str, visibility: str = "private") -> Repository:
        """A repository as the Hub makes it, with its first commit."""
        self.repositories[name] = Repository(visibility, [])
        self.add_commit(name, "initial commit", {".gitattributes": b"*.safetensors filter=lfs\n"})
        return self.repositories[name]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a fresh Hub on a free port of this machine until the block ends."""
    before = constants.HF_HUB_DISABLE_XET
    # With Xet the client would go to a service of its own, which is not played here.
    constants.HF_HUB_DISABLE_XET = True
    hub = Hub()
    config = uvicorn.Config(_app(hub), port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    hub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield hub
    finally:
        server.should_exit = True
        thread.join(10)
        constants.HF_HUB_DISABLE_XET = before


Step = Callable[[Hub, Request], Awaitable[Response]]


def _app(hub: Hub) -> Starlette:
    def route(path: str, method: str, name: str, step: Step, *, is_open: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _served(hub, name, step, request, is_open=is_open)

        return Route(path, endpoint, methods=[method])

    def of_repositories(api: str, git: str) -> list[Route]:
        """The routes of one type of repository."""
        return [
            route(api, "GET", "info", _info),
            route(f"{api}/revision/{{revision}}", "GET", "info", _info),
            route(f"{api}/preupload/{{revision}}", "POST", "preupload", _preupload),
            route(f"{api}/commit/{{revision}}", "POST", "commit", _commit),
            route(f"{api}/settings", "PUT", "settings", _settings),
            route(f"{api}/tag/{{tag}}", "POST", "tag", _tag),
            route(f"{api}/tag/{{tag}}", "DELETE", "delete_tag", _delete_tag),
            route(f"{api}/refs", "GET", "refs", _refs),
            route(f"{api}/tree/{{revision}}", "GET", "tree", _tree),
            route(f"{git}.git/info/lfs/objects/batch", "POST", "batch", _batch),
            route(f"{git}/resolve/{{revision}}/{{path:path}}", "GET", "resolve", _resolve),
        ]

    collection = "/api/collections/{owner}/{slug}"
    return Starlette(
        routes=[
            route("/api/repos/create", "POST", "create", _create),
            route("/api/repos/delete", "DELETE", "delete", _delete),
            route("/api/validate-yaml", "POST", "validate", _validate),
            *of_repositories("/api/models/{namespace}/{name}", "/{namespace}/{name}"),
            *of_repositories("/api/spaces/{namespace}/{name}", "/spaces/{namespace}/{name}"),
            route("/api/collections", "POST", "create_collection", _create_collection),
            route(collection, "GET", "collection", _collection),
            route(f"{collection}/items", "POST", "add_item", _add_item),
            route(f"{collection}/items/{{item}}", "DELETE", "delete_item", _delete_item),
            # Uploads go to signed URLs of another host, which see no token.
            route("/upload/{oid}/{part:int}", "PUT", "upload", _upload, is_open=True),
            route("/complete/{oid}", "POST", "complete", _complete, is_open=True),
        ]
    )


async def _served(hub: Hub, name: str, step: Step, request: Request, *, is_open: bool) -> Response:
    hub.requests.append(name if request.method != "HEAD" else f"{name} (head)")
    if not is_open and request.headers.get("authorization") != f"Bearer {hub.token}":
        return _refused(401, "Unauthorized", "Invalid credentials in Authorization header")
    fault = hub.faults[name].pop(0) if hub.faults[name] else None
    if fault is None or fault.after:
        answer = await step(hub, request)
    if fault is None:
        return answer
    if fault.status == 0:
        return _CutOff()
    return Response(fault.body, fault.status, fault.headers)


class _CutOff(Response):
    """Promises a body and closes the connection before it."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"100"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        # The server closes the connection of an application that ends in the middle.


def _refused(status: int, code: str, message: str) -> Response:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return JSONResponse({"error": message}, status, headers)


def _not_found() -> Response:
    return _refused(404, "RepoNotFound", "Repository not found")


def _name(request: Request) -> str:
    """A repository's key: that of a Space begins with `spaces/`."""
    is_space = request.url.path.startswith(("/api/spaces/", "/spaces/"))
    kind = "spaces/" if is_space else ""
    return f"{kind}{request.path_params['namespace']}/{request.path_params['name']}"


def _found(hub: Hub, request: Request) -> tuple[Repository, Commit] | None:
    repository = hub.repositories.get(_name(request))
    if repository is None:
        return None
    wanted = request.path_params.get("revision", "main")
    oid = repository.tags.get(wanted, wanted)
    commits = {commit.oid: commit for commit in repository.commits}
    return repository, commits.get(oid, repository.head)


def _is_large(path: str) -> bool:
    return path.endswith(_LARGE)


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _create(hub: Hub, request: Request) -> Response:
    asked = await request.json()
    kind = "spaces/" if asked.get("type") == "space" else ""
    name = f"{kind}{asked['organization']}/{asked['name']}"
    url = f"{hub.url}/{name}"
    if name in hub.repositories:
        return JSONResponse({"error": "You already created this model repo", "url": url}, 409)
    hub.create(name, asked.get("visibility", "public"))
    return JSONResponse({"url": url})


async def _delete(hub: Hub, request: Request) -> Response:
    asked = await request.json()
    if hub.repositories.pop(f"{asked['organization']}/{asked['name']}", None) is None:
        return _not_found()
    return JSONResponse({})


async def _settings(hub: Hub, request: Request) -> Response:
    if (repository := hub.repositories.get(_name(request))) is None:
        return _not_found()
    asked = await request.json()
    repository.visibility = asked.get("visibility", repository.visibility)
    repository.gated = asked.get("gated", repository.gated)
    return JSONResponse(asked)


async def _validate(hub: Hub, request: Request) -> Response:
    content = (await request.json())["content"]
    if not content.startswith("---\n"):
        return JSONResponse({"errors": [{"message": "no metadata"}], "warnings": []}, 400)
    return JSONResponse({"errors": [], "warnings": []})


async def _info(hub: Hub, request: Request) -> Response:
    if (found := _found(hub, request)) is None:
        return _not_found()
    repository, commit = found
    with_blobs = "blobs" in request.query_params
    siblings = [_sibling(path, data, with_blobs) for path, data in sorted(commit.files.items())]
    private = repository.visibility != "public"
    return JSONResponse(
        {
            "id": _name(request),
            "sha": commit.oid,
            "private": private,
            "gated": repository.gated,
            "siblings": siblings,
        }
    )


def _sibling(path: str, data: bytes, with_blobs: bool) -> dict[str, Any]:
    if not with_blobs:
        return {"rfilename": path}
    large = {"lfs": {"sha256": _sha256(data), "size": len(data), "pointerSize": 130}}
    known = {"rfilename": path, "size": len(data), "blobId": _git_hash(data)}
    return {**known, **large} if _is_large(path) else known


async def _tree(hub: Hub, request: Request) -> Response:
    if (found := _found(hub, request)) is None:
        return _not_found()
    entries = []
    for path, data in sorted(found[1].files.items()):
        entry = {"type": "file", "path": path, "size": len(data), "oid": _git_hash(data)}
        if _is_large(path):
            entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
        entries.append(entry)
    return JSONResponse(entries)


async def _preupload(hub: Hub, request: Request) -> Response:
    if (found := _found(hub, request)) is None:
        return _not_found()
    files = []
    for asked in (await request.json())["files"]:
        path = asked["path"]
        answer = {
            "path": path,
            "uploadMode": "lfs" if _is_large(path) else "regular",
            "shouldIgnore": False,
        }
        if (data := found[1].files.get(path)) is not None:
            answer["oid"] = _sha256(data) if _is_large(path) else _git_hash(data)
        files.append(answer)
    return JSONResponse({"files": files})


async def _batch(hub: Hub, request: Request) -> Response:
    objects = []
    for asked in (await request.json())["objects"]:
        answer = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in hub.objects:
            answer["actions"] = {"upload": _upload_action(hub, asked["oid"], asked["size"])}
        objects.append(answer)
    return JSONResponse({"transfer": "multipart", "objects": objects})


def _upload_action(hub: Hub, oid: str, size: int) -> dict[str, Any]:
    parts = range(1, -(-size // CHUNK) + 1)
    header = {str(part): f"{hub.url}/upload/{oid}/{part}" for part in parts}
    return {"href": f"{hub.url}/complete/{oid}", "header": {"chunk_size": str(CHUNK), **header}}


async def _upload(hub: Hub, request: Request) -> Response:
    data = await request.body()
    hub.parts[request.path_params["oid"]][request.path_params["part"]] = data
    return Response(headers={"ETag": _sha256(data)})


async def _complete(hub: Hub, request: Request) -> Response:
    oid = request.path_params["oid"]
    if oid in hub.objects:  # a second publisher of the same file was faster
        return JSONResponse({})
    data = b"".join(data for _, data in sorted(hub.parts.pop(oid).items()))
    if _sha256(data) != oid:
        return JSONResponse({"error": "hash mismatch"}, 400)
    hub.objects[oid] = data
    return JSONResponse({})


async def _commit(hub: Hub, request: Request) -> Response:
    hub.before_commit(hub)
    if (found := _found(hub, request)) is None:
        return _not_found()
    head = found[0].head
    lines = [json.loads(line) for line in (await request.body()).splitlines()]
    header = lines[0]["value"]
    if header.get("parentCommit") not in (None, head.oid):
        return _refused(412, "PreconditionFailed", "A commit has happened since")
    files = dict(head.files)
    for line in lines[1:]:
        _apply(hub, files, line["key"], line["value"])
    commit = hub.add_commit(_name(request), header["summary"], files)
    url = f"{hub.url}/{_name(request)}/commit/{commit.oid}"
    return JSONResponse({"commitOid": commit.oid, "commitUrl": url, "success": True})


def _apply(hub: Hub, files: dict[str, bytes], key: str, value: dict[str, Any]) -> None:
    if key == "file":
        files[value["path"]] = base64.b64decode(value["content"])
    elif key == "lfsFile":
        files[value["path"]] = hub.objects[value["oid"]]
    elif key == "deletedFile":
        del files[value["path"]]
    else:
        raise AssertionError(f"unknown operation {key}")


async def _tag(hub: Hub, request: Request) -> Response:
    # The address holds the commit, the body the tag's name.
    repository, name = hub.repositories[_name(request)], (await request.json())["tag"]
    if name in repository.tags:
        return JSONResponse({"error": "Tag exists"}, 409)
    repository.tags[name] = request.path_params["tag"]
    return JSONResponse({})


async def _delete_tag(hub: Hub, request: Request) -> Response:
    del hub.repositories[_name(request)].tags[request.path_params["tag"]]
    return JSONResponse({})


async def _refs(hub: Hub, request: Request) -> Response:
    if (found := _found(hub, request)) is None:
        return _not_found()
    repository = found[0]
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head.oid}
    tags = [
        {"name": name, "ref": f"refs/tags/{name}", "targetCommit": oid}
        for name, oid in repository.tags.items()
    ]
    return JSONResponse({"branches": [main], "converts": [], "tags": tags})


def _slug(request: Request) -> str:
    return f"{request.path_params['owner']}/{request.path_params['slug']}"


def _collected(hub: Hub, slug: str) -> Response:
    items = [
        {"_id": item, "id": model, "type": "model", "position": place}
        for place, (model, item) in enumerate(hub.collections[slug].items())
    ]
    described = {"title": slug, "owner": {"name": slug.partition("/")[0]}, "position": 0}
    more = {"lastUpdated": "2026-01-01T00:00:00.000Z", "private": False, "theme": "blue"}
    return JSONResponse({"slug": slug, "items": items, **described, **more, "upvotes": 0})


async def _create_collection(hub: Hub, request: Request) -> Response:
    asked = await request.json()
    slug = f"{asked['namespace']}/{asked['title']}-0a1b2c3d4e5f"
    if slug in hub.collections:
        return JSONResponse({"error": "This collection already exists", "slug": slug}, 409)
    hub.collections[slug] = {}
    return _collected(hub, slug)


async def _collection(hub: Hub, request: Request) -> Response:
    if (slug := _slug(request)) not in hub.collections:
        return _not_found()
    return _collected(hub, slug)


async def _add_item(hub: Hub, request: Request) -> Response:
    slug, model = _slug(request), (await request.json())["item"]["id"]
    if hub.repositories.get(model) is None:
        return _not_found()
    hub.collections[slug][model] = f"item-{len(hub.collections[slug])}-{model.replace('/', '-')}"
    return _collected(hub, slug)


async def _delete_item(hub: Hub, request: Request) -> Response:
    items = hub.collections[_slug(request)]
    wanted = request.path_params["item"]
    hub.collections[_slug(request)] = {m: item for m, item in items.items() if item != wanted}
    return JSONResponse({})


async def _resolve(hub: Hub, request: Request) -> Response:
    if (found := _found(hub, request)) is None:
        return _not_found()
    path = request.path_params["path"]
    if (data := found[1].files.get(path)) is None:
        return _refused(404, "EntryNotFound", "Entry not found")
    etag = _sha256(data) if _is_large(path) else _git_hash(data)
    headers = {"ETag": f'"{etag}"', "X-Repo-Commit": found[1].oid}
    if _is_large(path):
        headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
    return Response(data, headers=headers)
