"""The base job templates: whoever starts a run can choose nothing that is code, or leads to it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.workers.process import ProcessJobConfiguration

from deployments.server.work_pools import KINDS, POOLS, job_settings, template
from tasks.core.errors import BadInput
from tasks.core.settings import Settings, settings

FOLDER = Path(__file__).parents[2] / "infra" / "work-pools"
# Sizes, times and names. Not: command, env, image, volumes, working_dir, namespace, accounts …
HARMLESS = {
    *["name", "labels", "stream_output", "auto_remove", "mem_limit", "gpu_limit", "cpu_request"],
    *["memory_request", "memory_limit", "finished_job_ttl", "job_watch_timeout_seconds"],
    *["pod_watch_timeout_seconds", "deadline"],
}
STORE = "s3://bots/lake?endpoint_override=storage:8333&scheme=http&region=us-east-1"
OTHERS = [(name, kind) for name in POOLS for kind in ("docker", "kubernetes")]


@pytest.fixture(autouse=True)
def _store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_STORAGE", STORE)
    settings.cache_clear()


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in POOLS for kind in KINDS])
def test_a_run_may_choose_sizes_and_names_only(name: str, kind: str) -> None:
    found = template(kind, name)
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


@pytest.mark.parametrize(("name", "kind"), OTHERS)
def test_containers_get_storage_registry_and_cache(name: str, kind: str) -> None:
    found = template(kind, name)["job_configuration"]
    assert found["env"]["HUGGINGTWEETS_STORAGE"] == STORE
    text = json.dumps(found)
    for variable in ("HUGGINGTWEETS_REGISTRY", "HUGGINGTWEETS_CACHE"):
        folder = found["env"][variable].removesuffix("/bots.yaml")
        assert f":{folder}" in text or f'"mountPath": "{folder}"' in text, variable
    assert found["env"]["PREFECT_API_AUTH_STRING"] is None, "it comes from the secret files"


def test_jobs_get_the_operators_settings_but_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUGGINGTWEETS_AVATARS")
    url = STORE.replace("s3://", "s3://key:word@")
    given = Settings(
        storage=url, languages=("en", "fr"), hub_token="hf_1", tracking=False, machine="one"
    )
    assert job_settings(given) == {
        "HUGGINGTWEETS_LANGUAGES": '["en", "fr"]',
        "HUGGINGTWEETS_MACHINE": "one",
        "HUGGINGTWEETS_STORAGE": STORE,
        "HUGGINGTWEETS_TRACKING": "false",
    }


def test_containers_do_not_share_a_folder() -> None:
    with pytest.raises(BadInput, match="storage is a folder, which the containers"):
        job_settings(Settings(storage="storage"))


@pytest.mark.parametrize(("name", "kind"), OTHERS)
def test_jobs_are_closed(name: str, kind: str) -> None:
    """Read-only but for named folders, no capability, no more rights than at the start."""
    found = template(kind, name)["job_configuration"]
    if kind == "docker":
        limits = found["container_create_kwargs"]
        assert limits["read_only"]
        assert limits["cap_drop"] == ["ALL"]
        assert limits["security_opt"] == ["no-new-privileges:true"]
        assert {"/tmp", "/var/lib/prefect"} <= set(found["volumes"])
        return
    pod = found["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {each["name"] for each in pod["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == volumes
