"""The base job templates: whoever starts a run can choose nothing that is code, or leads to it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.workers.process import ProcessJobConfiguration

from deployments.server.work_pools import KINDS, POOLS, template

FOLDER = Path(__file__).parents[2] / "infra" / "work-pools"
# Sizes, times and names. Not: command, env, image, volumes, working_dir, namespace, accounts …
HARMLESS = {
    *["name", "labels", "stream_output", "auto_remove", "mem_limit", "gpu_limit", "cpu_request"],
    *["memory_request", "memory_limit", "finished_job_ttl", "job_watch_timeout_seconds"],
    *["pod_watch_timeout_seconds"],
}
TEMPLATES = {(name, kind): template(kind, name) for name in POOLS for kind in KINDS}


@pytest.mark.parametrize("found", TEMPLATES.values(), ids=map("-".join, TEMPLATES))
def test_a_run_may_choose_sizes_and_names_only(found: dict[str, Any]) -> None:
    variables = found["variables"]
    assert set(variables["properties"]) <= HARMLESS
    assert variables["additionalProperties"] is False
    used = set(re.findall(r"{{ *(\w+) *}}", json.dumps(found["job_configuration"])))
    assert used == set(variables["properties"])


def test_every_file_is_used() -> None:
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {"process.json"} | {
        f"{name}-{kind}.json" for name in POOLS for kind in ("docker", "kubernetes")
    }


def test_a_worker_ignores_what_the_server_should_have_refused() -> None:
    evil = {"command": "touch x", "env": {"A": "1"}, "env.PATH": "/x", "working_dir": "/x"}
    found = asyncio.run(
        ProcessJobConfiguration.from_template_and_values(
            template("process", "train"), evil, client=PrefectClient("http://127.0.0.1:9/api")
        )
    )
    assert (found.command, found.env, found.working_dir) == (None, {}, None)
