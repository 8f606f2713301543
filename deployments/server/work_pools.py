"""The two work pools: `cpu` for flows that plan and wait, `train` for those that train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from deployments.server.changes import Change
from tasks.core.errors import BadInput
from tasks.core.settings import Settings, settings
from tasks.storage import open_storage

POOLS = {
    "cpu": "Flows that plan and wait: nightly, backfill, comply, forget.",
    "train": "Flows that train bots: retrain, account, sweep.",
}
PROCESS = "process"
KINDS = (PROCESS, "docker", "kubernetes")
TEMPLATES = Path(__file__).parents[2] / "infra" / "work-pools"
# Of a Kubernetes job, its node.
_MACHINE = "HUGGINGTWEETS_MACHINE"


def template(kind: str, name: str) -> dict[str, Any]:
    """The base job template of a pool.

    It has no variable by which a run or a deployment could choose other code: no command, image,
    environment, folder or volume. Containers and jobs get the settings of this process that are no
    secrets, since they see nothing of the worker's. Raises BadInput if the storage is a folder.
    """
    file = "process.json" if kind == PROCESS else f"{name}-{kind}.json"
    found: dict[str, Any] = json.loads((TEMPLATES / file).read_text(encoding="utf-8"))
    if kind != PROCESS:
        environment = job_settings(settings())
        if kind == "kubernetes":
            environment.pop(_MACHINE)
        of_the_file = found["job_configuration"]["env"]
        found["job_configuration"]["env"] = environment | of_the_file
    return found


def job_settings(given: Settings) -> dict[str, str]:
    """The settings that were given and are no secrets, as environment variables.

    Raises BadInput if the storage is a folder: a job's releases would go with its container.
    """
    storage = open_storage(given.storage)
    if storage.is_local:
        raise BadInput(
            f"HUGGINGTWEETS_STORAGE: {given.storage} is a folder, which the containers of runs do "
            "not share: set it to s3://…"
        )
    fields = type(given).model_fields
    secret = {
        n
        for n, each in fields.items()
        if SecretStr in (each.annotation, *get_args(each.annotation))
    }
    wanted = (given.model_fields_set - secret) | {"machine"}
    values = given.model_dump(mode="json", include=wanted, exclude_none=True)
    values["storage"] = storage.url  # without keys that the setting held
    return {f"HUGGINGTWEETS_{name.upper()}": _text(value) for name, value in sorted(values.items())}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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
