"""The local page as it is served, on a port of its own, and a tiny bot to look at."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from deployments.web.application import WebServer, create_app, guarded
from deployments.web.local_server import uvicorn_options
from tasks.core.records import Outcome, Status
from tasks.core.settings import settings
from tasks.publishing.releases import publish_locally
from tasks.registry.outcomes import save_outcome
from tasks.storage import Storage
from tests.servers.prefect_database import put_database
from tests.servers.prefect_site import free_port, until
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents


@dataclass(frozen=True)
class Page:
    """A server of the page; the application's state stays within reach."""

    port: int
    server: uvicorn.Server
    uploads_folder: Path
    app: FastAPI

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, *lines: str, body: str = "") -> bytes:
        """The answer to exactly these lines; `HOST` stands for the server's own name."""
        text = "\r\n".join([*lines, "Connection: close", "", body])
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(text.replace("HOST", f"127.0.0.1:{self.port}").encode("latin-1"))
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        return answer

    def status(self, *lines: str, body: str = "") -> int:
        found = re.match(rb"HTTP/1\.1 (\d{3})", self.ask(*lines, body=body))
        assert found is not None
        return int(found[1])

    def get(self, path: str, *lines: str) -> int:
        return self.status(f"GET {path} HTTP/1.1", "Host: HOST", *lines)


@contextmanager
def serving(**options: Any) -> Iterator[Page]:
    """Serve the page on this machine; options: `WebServer`'s."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)  # what `TMPDIR` sets
        with _serving(Path(folder), options) as page:
            yield page
        assert list(Path(folder).iterdir()) == []


@contextmanager
def _serving(folder: Path, options: dict[str, Any]) -> Iterator[Page]:
    port = free_port()
    server_options = WebServer("127.0.0.1", port, **options)
    inner = create_app(server_options)
    app = guarded(inner, server_options)
    server = uvicorn.Server(
        uvicorn.Config(app, **uvicorn_options("127.0.0.1", port) | {"log_level": "error"})
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, 20, "the page")
        yield Page(port, server, folder, inner)
    finally:
        server.should_exit = True
        thread.join()


def release_bot(storage: Storage, *names: str) -> None:
    """A release of @alice, with this display name, that no model could read; and her outcome."""
    with storage.new_folder(CHECKPOINT) as folder:
        for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
            (folder / name).write_bytes(data)
    contents = make_contents(*names)
    release = publish_locally(storage, CHECKPOINT, contents, fonts=())
    corpus, evaluation, at = contents.corpus, contents.evaluation, contents.created_at.isoformat()
    save_outcome(
        storage,
        Outcome("alice", Status.RELEASED, "fine", at, release, corpus, evaluation),
    )


def make_here(monkeypatch: pytest.MonkeyPatch, folder: Path, base: Path) -> None:
    """Have bots made from this base in processes of the page's own, without `serve`."""
    for name, value in {"BASE": str(base), "TRACKING": "false"}.items():
        monkeypatch.setenv(f"HUGGINGTWEETS_{name}", value)
    database = f"sqlite+aiosqlite:///{put_database(folder / 'prefect')}"
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", database)
    settings.cache_clear()
