"""The command that makes what the flows need on the Prefect server: `infra apply`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer

from deployments import console
from deployments.server.changes import Change
from tasks.core.errors import BadInput, NetworkTrouble
from tasks.core.settings import settings

app = typer.Typer(help="What the flows run on.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]


@app.callback()
def _infra() -> None:
    """What the flows run on."""


@app.command()
def apply(
    docker: Annotated[
        bool, typer.Option("--docker", help="Workers start a container for each run")
    ] = False,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Workers start a job in the cluster for each run")
    ] = False,
    silence: Annotated[
        int | None,
        typer.Option(min=60, help="Seconds without a heartbeat after which a run is Crashed"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make work pools, limits and automations, or bring them up to date; safe to repeat."""
    if docker and kubernetes:
        raise BadInput("--docker and --kubernetes: choose one")
    kind = "docker" if docker else "kubernetes" if kubernetes else None
    with _told_in_a_line():
        changes = apply_infra(kind, silence)
    if as_json:
        console.print_json(changes)
    else:
        rows = [{"what": each.kind, "name": each.name, "": each.change} for each in changes]
        console.print_table("Infrastructure", rows)


@contextmanager
def _told_in_a_line() -> Iterator[None]:
    """What is commonly wrong with a server, without a traceback."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    try:
        yield
    except httpx.TransportError as error:
        raise NetworkTrouble(
            f"no Prefect server answers at {url} ({error}): start it, or mend PREFECT_API_URL"
        ) from error
    except PrefectHTTPStatusError as error:
        if error.response.status_code != httpx.codes.UNAUTHORIZED:
            raise
        raise BadInput(
            f"the Prefect server at {url} refuses the login: mend PREFECT_API_AUTH_STRING"
        ) from error


def apply_infra(kind: str | None = None, silence: int | None = None) -> list[Change]:
    """Make all of it, or bring it up to date; what became of each thing, in a fixed order.

    kind: of the work pools, `docker` or `kubernetes`; None: processes, or as they are.
    silence: seconds; None: the usual.
    """
    from prefect.client.orchestration import get_client

    from deployments.server import automations
    from deployments.server.notification import apply_notification
    from deployments.server.work_pools import POOLS, apply_pool

    wait = timedelta(seconds=silence) if silence else automations.SILENCE
    with get_client(sync_client=True) as client:
        pools = [apply_pool(client, name, kind) for name in POOLS]
        wanted = [
            automations.silent_runs(wait),
            automations.unbegun_runs(),
            automations.crashed_runs(),
        ]
        reactions = [automations.apply_automation(client, each) for each in wanted]
        told = apply_notification(client, settings().notify_url)
    return [*_apply_bucket(), *pools, *_apply_limits(), *reactions, *told]


def _apply_bucket() -> list[Change]:
    """The storage's bucket, where it has one; its URL must allow it to be made."""
    from tasks.storage import storage_root
    from tasks.storage.object_store import make_bucket
    from tasks.storage.storage_errors import explained

    storage = storage_root()
    if storage.is_local:
        return []
    name = storage.path.partition("/")[0]
    with explained(storage.url):
        new = make_bucket(storage.filesystem, name)
    return [Change("bucket", name, "made" if new else "unchanged")]


def _apply_limits() -> list[Change]:
    from tasks.orchestration.limits import REQUESTS_A_SECOND, create_limit, limits_of

    limits = [limit for service in REQUESTS_A_SECOND for limit in limits_of(service)]
    return [
        Change("limit", limit.name, "made" if create_limit(limit) else "unchanged")
        for limit in limits
    ]
