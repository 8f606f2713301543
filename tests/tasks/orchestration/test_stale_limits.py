"""The training limits of machines, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from tasks.orchestration.limits import MACHINE
from tasks.orchestration.stale_limits import remove_limits_of_gone_machines

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def test_limits_of_machines_that_train_no_more_go(client: SyncPrefectClient) -> None:
    used, held, gone = (f"{MACHINE}{name}" for name in ("used", "held", "gone"))
    for name in (used, held, gone, "bot-stale-limits"):
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
    client.increment_concurrency_slots([held], 1, "concurrency")
    before = datetime.now(UTC)
    client.increment_concurrency_slots([used], 1, "concurrency")
    client.release_concurrency_slots([used], 1, occupancy_seconds=1.0)
    assert gone in remove_limits_of_gone_machines(client, before)  # and those of other tests
    left = {each.name for each in client.read_global_concurrency_limits(limit=200, offset=0)}
    assert left >= {used, held, "bot-stale-limits"}
    assert gone not in left
    assert remove_limits_of_gone_machines(client, before) == []
