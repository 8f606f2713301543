"""The two work pools: `cpu` for flows that plan and wait, `train` for those that train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from deployments.server.changes import Change
from tasks.core.errors import BadInput

POOLS = {
    "cpu": "Flows that plan and wait: nightly, backfill, comply, forget.",
    "train": "Flows that train bots: retrain, account, sweep.",
}
PROCESS = "process"
KINDS = (PROCESS, "docker", "kubernetes")
TEMPLATES = Path(__file__).parents[2] / "infra" / "work-pools"


def template(kind: str, name: str) -> dict[str, Any]:
    """The base job template of a pool.

    It has no variable by which a run or a deployment could choose other code: no command, image,
    environment, folder or volume.
    """
    file = "process.json" if kind == PROCESS else f"{name}-{kind}.json"
    found: dict[str, Any] = json.loads((TEMPLATES / file).read_text(encoding="utf-8"))
    return found


def apply_pool(client: SyncPrefectClient, name: str, kind: str | None) -> Change:
    """Create the pool, or bring its template up to date.

    kind: `process`, `docker` or `kubernetes`; None: as it is, or `process` if it is new.
    Raises BadInput if the pool is of another kind, which Prefect cannot change.
    """
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return _create(client, name, kind or PROCESS)
    if kind not in (None, pool.type):
        raise BadInput(
            f"work pool {name} is of type {pool.type}, not {kind}: when none of its runs is under "
            f"way, delete it with `prefect work-pool delete {name}`, then apply and deploy again"
        )
    if pool.type not in KINDS:
        return Change("work pool", name, "unchanged")
    wanted = template(pool.type, name)
    if pool.base_job_template == wanted:
        return Change("work pool", name, "unchanged")
    client.update_work_pool(name, WorkPoolUpdate(base_job_template=wanted))
    return Change("work pool", name, "changed")


def _create(client: SyncPrefectClient, name: str, kind: str) -> Change:
    client.create_work_pool(
        WorkPoolCreate(
            name=name,
            type=kind,
            description=POOLS[name],
            base_job_template=template(kind, name),
        )
    )
    return Change("work pool", name, "made")
