"""The machines of `infra/compose.yaml` as processes: PostgreSQL, Redis, API servers, workers."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deployments.server.prefect_settings import NO_TELEMETRY, SERVER_COMMAND
from tests.servers.s3 import free_port, wait_for

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PREFECT = str(BIN / "prefect")
LOGIN = "operator:a word"


def missing() -> str:
    """What is not installed here, or nothing."""
    if not postgres_programs():
        return "PostgreSQL is not installed: apt-get install postgresql"
    if not shutil.which("redis-server"):
        return "Redis is not installed: apt-get install redis-server"
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        return "PostgreSQL refuses root, and there is no user postgres"
    return ""


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `postgres`: Debian does not put them on the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@dataclass
class Machines:
    """What runs; `log` is where all of it writes to."""

    folder: Path
    stack: ExitStack
    environment: dict[str, str] = field(default_factory=dict)
    servers: list[int] = field(default_factory=list)

    def start(self, name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """A process in a group and with a home of its own, killed with all its children."""
        home = self.folder / f"home-{name}"
        home.mkdir()
        log = self.stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command,
            env={**os.environ, **self.environment, "PREFECT_HOME": str(home), **environment},
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.stack.callback(kill_family, process)
        return process

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of the operator, with the project's folder as theirs."""
        return subprocess.run(
            command,
            env={**os.environ, **self.environment, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def api(self, number: int) -> str:
        """The address of one of the API servers."""
        return f"http://127.0.0.1:{self.servers[number]}/api"

    def ask(self, path: str, **body: Any) -> Any:
        """What the first API server answers to a POST."""
        answer = httpx.post(f"{self.api(0)}{path}", json=body, auth=tuple(LOGIN.split(":")))
        return answer.raise_for_status().json()

    def logs(self) -> str:
        """The end of what each process has said."""
        ends = {path.name: path.read_text(errors="replace") for path in self.folder.glob("*.log")}
        return "\n".join(f"--- {name}\n{text[-3000:]}" for name, text in sorted(ends.items()))


@contextmanager
def running_machines(folder: Path, servers: int = 2) -> Iterator[Machines]:
    """PostgreSQL, Redis, API servers without services, and the services apart."""
    with ExitStack() as stack:
        machines = Machines(folder, stack)
        database = start_postgres(machines)
        redis = free_port()
        machines.start(
            "redis", "redis-server", "--port", str(redis), "--save", "", "--bind", "127.0.0.1"
        )
        wait_for(redis)
        machines.environment |= server_settings(database, f"redis://127.0.0.1:{redis}/0")
        done = machines.run(PREFECT, "server", "database", "upgrade", "-y")
        assert done.returncode == 0, done.stdout + done.stderr
        for number in range(servers):
            start_server(machines, f"server-{number}")
        machines.start("services", PREFECT, "server", "services", "start")
        yield machines


def start_postgres(machines: Machines) -> str:
    """A database of its own; returns its URL."""
    programs, port = postgres_programs(), free_port()
    assert programs is not None
    # Not among pytest's folders, which are closed to other users.
    data = Path(machines.stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-")))
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(data, "postgres")
    init = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "prefect", "-A", "trust"]
    subprocess.run([*init, "--no-sync"], check=True, capture_output=True, cwd="/")
    machines.start(
        "postgres",
        *[*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port)],
        *["-h", "127.0.0.1", "-k", str(data), "-c", "fsync=off", "-c", "max_connections=200"],
    )
    wait_for(port)
    ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        time.sleep(0.2)
    return f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"


def server_settings(database: str, redis: str) -> dict[str, str]:
    """What `infra/compose.yaml` sets for servers, services and clients."""
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
        "PREFECT_REDIS_MESSAGING_URL": redis,
        "PREFECT_SERVER_DOCKET_URL": redis,
        "PREFECT_SERVER_API_AUTH_STRING": LOGIN,
        "PREFECT_API_AUTH_STRING": LOGIN,
        **NO_TELEMETRY,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_CLIENT_MAX_RETRIES": "8",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }


def start_server(machines: Machines, name: str) -> None:
    """One more API server."""
    port = free_port()
    address = ("--host", "127.0.0.1", "--port", str(port))
    machines.start(name, *SERVER_COMMAND, "--no-services", *address)
    machines.servers.append(port)
    end = time.monotonic() + 90
    while True:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2).close()
            return
        assert time.monotonic() < end, machines.logs()
        time.sleep(0.3)


def kill_family(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and all that it has started, as the loss of their machine would."""
    family = [process.pid, *descendants(process.pid)]
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(after_name[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found
