"""What is deployed: every entrypoint loads, every form refuses what cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.schema_tools import is_valid_schema, validate

from tasks.registry.entries import load_registry

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
DECLARED = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())["deployments"]
NAMES = [each["name"] for each in DECLARED]


def form_of(name: str) -> dict[str, Any]:
    entrypoint = next(each["entrypoint"] for each in DECLARED if each["name"] == name)
    flow = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    return flow.parameters.model_dump() if hasattr(flow, "parameters") else _schema(flow)


def _schema(flow: Any) -> dict[str, Any]:
    from prefect.utilities.callables import parameter_schema

    return parameter_schema(flow).model_dump_for_openapi()


@pytest.mark.parametrize("name", NAMES)
def test_every_entrypoint_loads_and_describes_its_parameters(name: str) -> None:
    schema = form_of(name)
    assert is_valid_schema(schema) is None
    for parameter, described in schema["properties"].items():
        assert described.get("description"), f"{name}: {parameter} is not described"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("account", {"bot": "alice-bob"}, {"bot": "../etc"}),
        ("account", {"bot": "alice"}, {"bot": "alice", "source": "elsewhere"}),
        ("retrain", {"bots": [{"name": "alice"}]}, {"bots": [{"name": "a b"}]}),
        ("retrain", {"bots": [{"name": "alice"}]}, {"bots": [{"name": "alice", "typo": 1}]}),
        ("backfill", {"handles": ["alice"]}, {"handles": ["way_too_long_for_a_handle"]}),
        ("backfill", {"chunk": 5}, {"chunk": 0}),
        ("nightly", {"night": "2026-01-31"}, {"night": "tomorrow"}),
        ("forget", {"handle": "alice.bsky.social"}, {"handle": "../alice"}),
        ("sweep", {"bots": ["alice"], "space": {"parameters": {"epochs": [1]}}}, {"bots": [""]}),
    ],
)
def test_a_form_refuses_what_cannot_work(
    name: str, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    schema = form_of(name)
    assert validate(right, schema, raise_on_error=False, ignore_required=True) == []
    assert validate(wrong, schema, raise_on_error=False, ignore_required=True)


def test_the_example_registry_can_be_loaded() -> None:
    (entry,) = load_registry(DEPLOYMENTS / "bots.yaml")
    assert entry.bot.name == "alice.bsky.social"


def test_nights_begin_at_two_and_do_not_overlap() -> None:
    nightly = next(each for each in DECLARED if each["name"] == "nightly")
    assert nightly["schedules"][0]["cron"] == "0 2 * * *"
    assert nightly["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
