"""Forms in Prefect's UI refuse what cannot work, before there is a run."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import Flow
from prefect.utilities.schema_tools.validation import is_valid_schema, validate

from flows.account import account
from flows.backfill import backfill
from flows.nightly import nightly
from flows.retrain import retrain
from flows.sweep import sweep

ALICE = [{"name": "alice"}]
REFUSED: list[tuple[Flow[..., Any], dict[str, Any]]] = [
    (retrain, {"bots": []}),
    (retrain, {"bots": [{"name": "a b"}]}),
    *(
        (retrain, {"bots": ALICE, "options": {"training": {name: value}}})
        for name, value in {
            "epochs": 0, "learning_rate": 0, "mode": "half", "schedule": "step", "dropout": 1,
            "precision": "fp16", "adapter_rank": 0, "warmup": 1, "max_tokens": 0, "patience": -1,
        }.items()
    ),
    (retrain, {"bots": ALICE, "options": {"base": ""}}),
    (retrain, {"bots": ALICE, "options": {"filter": "none"}}),
    (retrain, {"bots": ALICE, "options": {"languages": [""]}}),
    (account, {"bot": "alice", "source": "twitter"}),
    (sweep, {"bots": [], "space": {}}),
    (nightly, {"night": "tomorrow"}),
    (nightly, {"hours": -1}),
    (backfill, {"chunk": 0}),
]  # fmt: skip


def schema_of(flow: Flow[..., Any]) -> dict[str, Any]:
    return flow.parameters.model_dump_for_openapi()  # type: ignore[no-any-return]


NAMED = [pytest.param(flow, each, id=f"{flow.name}-{each}") for flow, each in REFUSED]


@pytest.mark.parametrize(("flow", "parameters"), NAMED)
def test_a_form_refuses_what_cannot_work(flow: Flow[..., Any], parameters: dict[str, Any]) -> None:
    is_valid_schema(schema_of(flow))
    assert validate(parameters, schema_of(flow)), "there are errors"


def test_a_form_takes_what_can() -> None:
    training = {"epochs": 3, "learning_rate": 1e-4, "mode": "adapter", "precision": "fp32"}
    options = {"training": training, "languages": ["en", "pt-BR"], "base": "embedded"}
    assert not validate({"bots": ALICE, "options": options}, schema_of(retrain))


def test_choices_are_listed_in_the_form() -> None:
    fields = schema_of(retrain)["definitions"]["Spec"]["properties"]
    for name in ("mode", "schedule", "precision"):
        assert len(fields[name]["enum"]) >= 2
