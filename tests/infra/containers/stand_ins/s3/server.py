"""Stands in for `weed server -dir=… -s3 -s3.config=…`, as far as compose.yaml asks for it.

moto serves S3 on port 8333, in memory; SIGTERM writes the buckets into the folder, and the next
start reads them. Requests whose access key is not in the configuration are refused, as SeaweedFS
does; signatures are not checked. Port 9333 answers health checks.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REFUSED = (
    b"<Error><Code>InvalidAccessKeyId</Code><Message>The key does not exist.</Message></Error>"
)
ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"


def main() -> None:
    """Serve until SIGTERM."""
    if sys.argv[1] != "server" or "-s3" not in sys.argv:
        sys.exit(f"server -s3 is what this serves, not {sys.argv[1:]}")
    options = dict(each.lstrip("-").partition("=")[::2] for each in sys.argv[2:])
    config = json.loads(Path(options["s3.config"]).read_text())
    keys = {
        pair["accessKey"] for identity in config["identities"] for pair in identity["credentials"]
    }
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    saved = Path(options["dir"]) / "buckets"
    load(saved)
    app = known_keys(DomainDispatcherApplication(create_backend_app), keys)
    server = make_server("0.0.0.0", 8333, app, threaded=True)  # noqa: S104 - a container's
    health = ThreadingHTTPServer(("", 9333), Health)
    for each in (server, health):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    print(f"storage: s3 on 8333, for {len(keys)} access keys")
    signal.sigwait({signal.SIGTERM})
    server.shutdown()
    save(saved)


def buckets() -> Any:
    """moto's S3."""
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT]["aws"]


def save(folder: Path) -> None:
    """Write each object's bytes, and an index with what S3 knows of them."""
    folder.mkdir(exist_ok=True)
    index = []
    for bucket in buckets().buckets.values():
        index.append({"bucket": bucket.name})
        for key in bucket.keys.values():
            (folder / str(len(index))).write_bytes(key.value)
            about = {"bucket": bucket.name, "key": key.name, "metadata": dict(key.metadata)}
            index.append(about)
    (folder / "index.json").write_text(json.dumps(index))
    print(f"storage: saved {len(index)} buckets and objects")


def load(folder: Path) -> None:
    """Read what `save` has written."""
    if not (folder / "index.json").exists():
        return
    index = json.loads((folder / "index.json").read_text())
    for number, each in enumerate(index):
        if "key" in each:
            key = buckets().put_object(
                each["bucket"], each["key"], (folder / str(number)).read_bytes()
            )
            key.set_metadata(each["metadata"])
        else:
            buckets().create_bucket(each["bucket"], REGION)
    print(f"storage: loaded {len(index)} buckets and objects")


def known_keys(app: Callable[..., Iterable[bytes]], keys: set[str]) -> Callable[..., Any]:
    """A WSGI application that passes on what is signed with one of the access keys."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        signed = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if signed and signed[1] in keys:
            return app(environ, start)
        start("403 Forbidden", [("Content-Type", "application/xml")])
        return [REFUSED]

    return answer


class Health(BaseHTTPRequestHandler):
    """Answers 200 at /cluster/healthz."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/cluster/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in all threads
    main()
