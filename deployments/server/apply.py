"""Creates what the flows need on the Prefect server: work pools, limits, automations, a bucket."""

from __future__ import annotations

from datetime import timedelta

from prefect.client.orchestration import get_client

from deployments.server import automations
from deployments.server.changes import Change
from deployments.server.notification import apply_notification
from deployments.server.work_pools import POOLS, PROCESS, apply_pool, job_settings
from tasks.core.settings import settings
from tasks.orchestration.limits import REQUESTS_A_SECOND, create_limit, limits_of
from tasks.storage import storage_root
from tasks.storage.object_store import make_bucket
from tasks.storage.storage_errors import translate_errors


def apply_infra(kind: str | None = None, silence: int | None = None) -> list[Change]:
    """Create all of it, or bring it up to date; returns what was done, in a fixed order.

    kind: of the work pools, `docker` or `kubernetes`; None: as they are, new ones `process`.
    silence: seconds without a heartbeat after which a run is Crashed; None: as the server has it.
    """
    if kind not in (None, PROCESS):
        job_settings(settings())  # says what is wrong before anything is changed
    with get_client(sync_client=True) as client:
        timeout = timedelta(seconds=silence) if silence else automations.heartbeat_timeout(client)
        pools = [apply_pool(client, name, kind) for name in POOLS]
        wanted = [
            automations.silent_runs(timeout),
            automations.unstarted_runs(),
            automations.crashed_runs(),
        ]
        applied = [automations.apply_automation(client, each) for each in wanted]
        notification = apply_notification(client, settings().notify_url)
    return [*_apply_bucket(), *pools, *_apply_limits(), *applied, *notification]


def _apply_bucket() -> list[Change]:
    """Create the storage's bucket, if it is in one and its URL allows it."""
    storage = storage_root()
    if storage.is_local:
        return []
    name = storage.path.partition("/")[0]
    with translate_errors(storage.url):
        new = make_bucket(storage.filesystem, name)
    return [Change("bucket", name, "made" if new else "unchanged")]


def _apply_limits() -> list[Change]:
    limits = [limit for service in REQUESTS_A_SECOND for limit in limits_of(service)]
    return [
        Change("limit", limit.name, "made" if create_limit(limit) else "unchanged")
        for limit in limits
    ]
