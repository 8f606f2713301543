"""`huggingtweets serve`: server, deployments and workers on one machine.

Each is a supervised process. Runs that are under way when all of it ends are found by the server's
automations at the next start, and retried. Those that the automations miss, as happens on SQLite,
are looked for here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployments import console
from deployments.server.free_port import refuse_used_port
from deployments.server.prefect_settings import PREFECT_SETTINGS, SERVER_COMMAND
from deployments.supervisor import Supervisor
from deployments.web.login import token_for
from tasks.core.errors import BadInput, HuggingtweetsError, NetworkTrouble, PermanentError
from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.registry.entries import load_registry
from tasks.registry.outcomes import load_outcome
from tasks.storage import Storage, storage_root

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
_START = 120.0  # seconds that the server may take to answer
_OUTCOMES_INTERVAL = 5.0  # seconds between two looks for new outcomes
_NAMED = 5  # due bots that are named
NIGHT_HOUR = 2  # UTC, as prefect.yaml schedules it
_CRASHED_RUNS_INTERVAL = 30.0  # seconds between two searches for missed crashed runs


def serve(port: int, host: str, web_port: int = 0) -> None:
    """Run server, schedules and workers on this machine, until Ctrl-C.

    web_port: of the local page beside it; 0: there is none.
    """
    refuse_used_port(host, port)
    if web_port:
        refuse_used_port(host, web_port, "--web-port")
    storage = storage_root()
    storage.require_writable()  # reported now, not in the middle of a night
    environment = process_environment(host, port)
    url = environment["PREFECT_API_URL"]
    with _until_interrupted() as supervisor:
        server = [*SERVER_COMMAND, "--host", host, "--port", str(port)]
        supervisor.start("server", server, environment)
        _wait_for_server(url, supervisor)
        console.note("Setting up pools, limits and schedules …")
        _deploy(environment)
        for pool in ("cpu", "train"):
            worker = [str(BIN / "prefect"), "worker", "start", "--pool", pool]
            worker += ["--name", f"serve-{pool}", "--type", "process"]
            supervisor.start(f"{pool} worker", worker, environment)
        place = storage.path if storage.is_local else storage.url
        console.note(f"Ready: http://{host}:{port}, storage {place}. Ctrl-C stops it.")
        if web_port:
            _start_page(supervisor, host, web_port, environment)
        console.note(what_is_to_come(storage, datetime.now(UTC)))
        threading.Thread(target=_print_outcomes_for_ever, args=(storage,), daemon=True).start()
        # In a thread, so that the supervisor does not wait for a server that does not answer.
        threading.Thread(target=_retry_crashed_runs_for_ever, args=(url,), daemon=True).start()
        supervisor.run()


def _start_page(supervisor: Supervisor, host: str, port: int, environment: dict[str, str]) -> None:
    """Start the local page, and link to it from Prefect's UI."""
    address = f"http://{host}:{port}"
    token = token_for(host, settings().hosts, settings().web_token)
    own = {"HUGGINGTWEETS_WEB_TOKEN": token.get_secret_value()} if token else {}
    command = [str(BIN / "huggingtweets"), "--quiet", "web"]
    command += ["--host", host, "--port", str(port)]
    supervisor.start("page", command, {**environment, **own})  # a restarted one has the same token
    link_to_page(environment["PREFECT_API_URL"], address)
    console.note(f"Bots to try and to make: {address}")
    if token is not None and settings().web_token is None:
        console.note(f"Log in at {address}/login?token={token.get_secret_value()}")


def link_to_page(url: str, address: str) -> None:
    """Show the page's address among the artifacts of Prefect's UI; url: of the server's API."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import ArtifactCreate
    from prefect.settings import PREFECT_API_URL, temporary_settings

    link = ArtifactCreate(
        key="huggingtweets-web",
        type="markdown",
        description="The local page of huggingtweets",
        data=f"[Bots to try and to make]({address})",
    )
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        client.create_artifact(link)


def what_is_to_come(storage: Storage, now: datetime) -> str:
    """How many bots there are, which are due, and when the next night is; or how to list some."""
    from tasks.operations.night_plan import due_bots

    file = Path(settings().registry)
    if not file.is_file():
        return (
            f"There is no registry {file}: no bot is kept fresh. List your bots in it, as "
            f"{Path(__file__).with_name('bots.yaml')} shows."
        )
    try:
        entries = load_registry(file)
    except BadInput as error:
        return f"The registry cannot be used, so nights fail until it is corrected: {error}"
    due = [f"@{each.entry.bot}" for each, _ in due_bots(storage, entries, now)]
    named = f" ({', '.join(due[:_NAMED])}{', …' if len(due) > _NAMED else ''})" if due else ""
    night = next_night(now)
    return (
        f"{len(entries)} bots in {file}, {len(due)} due{named}. Next night: {night:%a %H:%M} UTC."
    )


def next_night(now: datetime) -> datetime:
    """When the schedule of prefect.yaml starts the next night, after `now`."""
    begin = now.astimezone(UTC).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return begin if begin > now else begin + timedelta(days=1)


def _print_outcomes_for_ever(storage: Storage) -> None:
    seen = _finished(storage)
    while True:
        time.sleep(_OUTCOMES_INTERVAL)
        with suppress(HuggingtweetsError):  # such as a network that is away for a moment
            found = _finished(storage)
            for name in sorted(name for name, at in found.items() if seen.get(name) != at):
                outcome = load_outcome(storage, Bot.parse(name))
                if outcome is not None:
                    console.note(f"@{name}: {outcome.status.value}: {outcome.plain_reason}")
            seen = found


def _finished(storage: Storage) -> dict[str, datetime | None]:
    """When each bot's outcome was written, by the bot."""
    return {
        info.base_name.removesuffix(".json"): info.mtime
        for info in storage.infos("outcomes")
        if info.base_name.endswith(".json")
    }


@contextmanager
def _until_interrupted() -> Iterator[Supervisor]:
    """A supervisor whose processes end with the block; SIGINT and SIGTERM end the block."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    supervisor = Supervisor()
    # SIGINT too: shells start background jobs with it ignored.
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield supervisor
    except KeyboardInterrupt:
        console.note("Stopping …")
    finally:
        # A second Ctrl-C must not leave half of the processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def process_environment(host: str, port: int) -> dict[str, str]:
    """The environment of the server, the workers and the commands that `serve` starts."""
    own = {
        **PREFECT_SETTINGS,
        "PREFECT_API_URL": f"http://{host}:{port}/api",
        # Each release leaves a picture of 80 KB in the database.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": f"P{settings().keep_runs_days}D",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{min(settings().keep_runs_days, 7)}D",
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
    """Create pools, limits and automations, and deploy the flows."""
    file = Path(__file__).with_name("prefect.yaml")
    for command in (
        [str(BIN / "huggingtweets"), "infra", "apply"],
        [str(BIN / "prefect"), "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
    ):
        done = subprocess.run(  # noqa: S603 - our own command
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise PermanentError(f"{' '.join(command[:3])} failed: {''.join(last)}")


def _wait_for_server(url: str, supervisor: Supervisor) -> None:
    import httpx

    end = time.monotonic() + _START
    while time.monotonic() < end and supervisor.is_running("server"):
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise NetworkTrouble("the Prefect server did not start; its error is printed above")


def _retry_crashed_runs_for_ever(url: str) -> None:
    while True:
        time.sleep(_CRASHED_RUNS_INTERVAL)
        retry_crashed_runs(url)


def retry_crashed_runs(url: str) -> None:
    """Retry the crashed runs that the server at this URL has missed, and print their names."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tasks.orchestration.crashed_runs import restart_crashed

    try:
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
            for name in restart_crashed(client, datetime.now(UTC)):
                console.note(f"Retrying the run {name}: it crashed, and the server missed it.")
    except httpx.HTTPError as error:
        console.note(f"The server does not answer ({error!r}); asking again soon.")
