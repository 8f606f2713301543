"""Limits on the server that belong to machines which are gone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse

from tasks.orchestration.limits import MACHINE

log = logging.getLogger("huggingtweets")
_PAGE = 200


def remove_limits_of_gone_machines(client: SyncPrefectClient, before: datetime) -> list[str]:
    """Remove the training limits that no process has held since a time; returns their names.

    A process that trains makes the limit of its machine again where there is none.
    """
    every = list(_limits(client))
    gone = [
        limit.name
        for limit in every
        if limit.name.startswith(MACHINE)
        and not limit.active_slots
        and (limit.updated or before) < before
    ]
    for name in gone:
        client.delete_global_concurrency_limit_by_name(name)
        log.info("removed the limit %s: its machine trains no more", name)
    return gone


def _limits(client: SyncPrefectClient) -> Iterator[GlobalConcurrencyLimitResponse]:
    offset = 0
    while page := client.read_global_concurrency_limits(limit=_PAGE, offset=offset):
        yield from page
        offset += len(page)
