"""`huggingtweets infra apply`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from deployments import console
from deployments.cli.common import with_common_options
from deployments.cli.options import Json
from deployments.flow_runs import ready_server
from tasks.core.errors import BadInput, NetworkTrouble

app = typer.Typer(help="What the flows run on.")


@app.callback(invoke_without_command=True)
def _infra(context: typer.Context) -> None:
    """What the flows run on."""
    if context.invoked_subcommand is None:
        console.say(context.get_help())


def apply(
    docker: Annotated[
        bool, typer.Option("--docker", help="Workers start a container for each run")
    ] = False,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Workers start a Kubernetes job for each run")
    ] = False,
    silence: Annotated[
        int | None,
        typer.Option(min=60, help="Seconds without a heartbeat after which a run is Crashed"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create work pools, limits and automations, or bring them up to date; safe to repeat."""
    if docker and kubernetes:
        raise BadInput("--docker and --kubernetes: choose one")
    ready_server()
    from deployments.server.apply import apply_infra

    kind = "docker" if docker else "kubernetes" if kubernetes else None
    with _server_errors_in_one_line():
        changes = apply_infra(kind, silence)
    if as_json:
        console.print_json(changes)
    else:
        rows = [{"what": each.kind, "name": each.name, "": each.change} for each in changes]
        console.print_table("Infrastructure", rows)


app.command("apply")(with_common_options(apply))


@contextmanager
def _server_errors_in_one_line() -> Iterator[None]:
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    try:
        yield
    except httpx.TransportError as error:
        raise NetworkTrouble(
            f"no Prefect server answers at {url} ({error}): start it, or correct PREFECT_API_URL"
        ) from error
    except PrefectHTTPStatusError as error:
        if error.response.status_code != httpx.codes.UNAUTHORIZED:
            raise
        raise BadInput(
            f"the Prefect server at {url} refuses the login: correct PREFECT_API_AUTH_STRING"
        ) from error
