"""The command that runs everything on one machine: `serve`.

Server, deployments and workers are processes of their own, each of which is watched. What was
running when it all ends is found by the server's automations at the next start, and tried again.
What they forget, as happens on SQLite, is looked for here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.supervisor import Parts
from tasks.core.errors import BadInput, NetworkTrouble, PermanentError
from tasks.core.settings import settings
from tasks.storage import storage_root

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
POOLS = ("cpu", "train")
SERVER = "deployments.server.prefect_server"
# What Prefect is told in every process of a site, the server's included.
PREFECT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # In memory, the default, slots would stay held after a restart of the server.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    # The UI asks the server that it came from; pages of others must not start or delete anything.
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "none",
    # Each client asks first for a token that this server does not give: every third request.
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "false",
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # A flow waits for a server that is away for eight minutes, not for one.
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "huggingtweets",
}
_START = 120.0  # seconds that a server may take to answer
_LOOK_FOR_CRASHED = 30.0  # seconds between two looks for runs that crashed and were forgotten


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of the server and its UI")] = 4200,
    host: Annotated[str, typer.Option(help="Address that the server listens on")] = "127.0.0.1",
) -> None:
    """Run server, schedules and workers on this machine, until Ctrl-C."""
    _refuse_if_taken(host, port)
    storage = storage_root()  # an unusable one is reported now, not in the middle of a night
    with _until_stopped() as parts:
        environment = process_environment(host, port)
        words = ["server", "start", "--host", host, "--port", str(port)]
        parts.start("server", [sys.executable, "-m", SERVER, *words], environment)
        _wait_for(environment["PREFECT_API_URL"], parts)
        _deploy(environment)
        for pool in POOLS:
            words = ["worker", "start", "--pool", pool, "--name", f"serve-{pool}"]
            command = [str(BIN / "prefect"), *words, "--type", "process"]
            parts.start(f"worker of {pool}", command, environment)
        console.err.print(
            f"Ready: http://{host}:{port}. Bots: {settings().registry}, storage: {storage.url}. "
            "Ctrl-C ends it."
        )
        # Beside the watch, which must not wait for a server that does not answer.
        url = environment["PREFECT_API_URL"]
        threading.Thread(target=_look_for_ever, args=(url,), daemon=True).start()
        parts.watch()


@contextmanager
def _until_stopped() -> Iterator[Parts]:
    """Parts that end with the block, also where a supervisor asks for it."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    parts = Parts()
    # Both by hand: a shell starts what goes to the background with Ctrl-C switched off.
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield parts
    except KeyboardInterrupt:
        console.err.print("Ending …")
    finally:
        # A second Ctrl-C must not leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        parts.end()
        for number, handler in before.items():
            signal.signal(number, handler)


def process_environment(host: str, port: int) -> dict[str, str]:
    """The environment of the server, the workers and the commands that `serve` starts."""
    own = {
        **PREFECT,
        "PREFECT_API_URL": f"http://{host}:{port}/api",
        # Flows start in other folders, where relative paths would mean something else. A URL is
        # passed on with its credentials: here and nowhere else, not in a command line or a log.
        "HUGGINGTWEETS_STORAGE": settings().storage
        if "://" in settings().storage
        else _absolute(settings().storage),
        "HUGGINGTWEETS_REGISTRY": _absolute(settings().registry),
    }
    return {**os.environ, **own}


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _deploy(environment: dict[str, str]) -> None:
    """Make pools, limits and automations, and deploy the flows."""
    file = Path(__file__).with_name("prefect.yaml")
    for command in (
        [str(BIN / "huggingtweets"), "infra", "apply"],
        [str(BIN / "prefect"), "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
    ):
        done = subprocess.run(  # noqa: S603 - our own words
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise PermanentError(f"{' '.join(command[:3])} failed: {''.join(last)}")


def _wait_for(url: str, parts: Parts) -> None:
    import httpx

    end = time.monotonic() + _START
    while time.monotonic() < end and parts.is_running("server"):
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise NetworkTrouble(
        "the Prefect server did not start: run `prefect server start` to see what it says"
    )


def _look_for_ever(url: str) -> None:
    while True:
        time.sleep(_LOOK_FOR_CRASHED)
        look_for_crashed(url)


def look_for_crashed(url: str) -> None:
    """Start crashed runs again that the server forgot; says so, or that it does not answer."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tasks.orchestration.crashed_runs import take_up_crashed

    try:
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
            for name in take_up_crashed(client, datetime.now(UTC)):
                console.err.print(f"The run {name} crashed and was forgotten: started again.")
    except httpx.HTTPError as error:
        console.err.print(f"The server does not answer ({error!r}): it is asked again soon.")


def _refuse_if_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(
                f"port {port} of {host} cannot be used ({error.strerror}): choose another --port"
            ) from error
