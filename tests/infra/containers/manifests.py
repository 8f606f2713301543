"""What Prefect's Kubernetes worker would send for a run of each pool, against the API's schema.

Started by `steps.py` in an environment that has prefect-kubernetes and kubernetes-validate, with
the pools' templates on standard input; prints one line for each manifest.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes_validate
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration


async def manifest(template: dict[str, Any]) -> dict[str, Any]:
    """The job's manifest, as the worker sends it."""
    found = await KubernetesWorkerJobConfiguration.from_template_and_values(
        template, {}, client=PrefectClient("http://127.0.0.1:9/api")
    )
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="night 2026-01-31")
    found.prepare_for_flow_run(run)
    return found.job_manifest


def main() -> None:
    """Validate the jobs of the templates, and `infra/kubernetes.yaml`."""
    for name, template in json.load(sys.stdin).items():
        job = asyncio.run(manifest(template))
        validate(job, f"job of {name}")
        (container,) = job["spec"]["template"]["spec"]["containers"]
        given = {each["name"]: each.get("value") for each in container["env"]}
        assert given["HUGGINGTWEETS_STORAGE"].startswith("s3://"), given
        assert "PREFECT_API_AUTH_STRING" not in given, "the login is a secret file"
        assert given["HUGGINGTWEETS_MACHINE"] is None, "the node's name"
        if name == "train":
            assert container["resources"]["limits"]["nvidia.com/gpu"] == 1, container["resources"]
    text = Path(sys.argv[1]).read_text()
    for each in yaml.safe_load_all(text):
        validate(each, f"{each['kind']} {each['metadata']['name']}")


def validate(resource: dict[str, Any], name: str) -> None:
    """Raises ValidationError for what the API would refuse."""
    for version in ("1.29", "1.34"):
        used = kubernetes_validate.validate(resource, version, strict=True)
        print(f"{name}: valid in {used}")


if __name__ == "__main__":
    main()
