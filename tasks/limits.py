"""Rate limits that all flows and workers share, since the Prefect server keeps them."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import rate_limit
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

# Requests a second: X allows an app 10,000 in 15 minutes, Bluesky's public host 3,000 in 5.
REQUESTS_A_SECOND = {"x_api": 11, "bluesky": 10}


def make_limit(service: str) -> None:
    """Make the limit of a service where the server has none; an operator's own is left alone."""
    name, rate = limit_name(service), REQUESTS_A_SECOND[service]
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            wanted = GlobalConcurrencyLimitCreate(
                name=name, limit=rate, slot_decay_per_second=float(rate)
            )
            try:
                client.create_global_concurrency_limit(wanted)
            except ObjectAlreadyExists:
                return  # another worker was faster


def permit(service: str) -> None:
    """Wait for a place among the requests of all workers; a missing limit is an error."""
    rate_limit(limit_name(service), strict=True)


def limit_name(service: str) -> str:
    """The limit's name on the server, as operators see it."""
    return service.replace("_", "-")
