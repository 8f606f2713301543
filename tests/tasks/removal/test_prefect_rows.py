"""An account is taken out of tables and requests, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prefect.client.schemas.objects import Artifact, FlowRun

from tasks.core.names import Handle
from tasks.removal.prefect_rows import is_own, name_without, parameters_without, table_without

ALICE = Handle("alice")


def table(data: Any, kind: str = "table") -> Artifact:
    return Artifact(type=kind, data=data)


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([{"bot": "@alice", "n": 1}, {"bot": "@bob", "n": 2}], [{"bot": "@bob", "n": 2}]),
        ([{"handle": "@bob", "bots due": "@alice-bob, @bob"}],
         [{"handle": "@bob", "bots due": "@…, @bob"}]),
        ([{"epochs": 1, "@alice": 3.0, "@bob": 3.1}], [{"epochs": 1, "@bob": 3.1}]),
        ([{"line": 3, "text": "alice", "why": "…"}], []),
        (["alice", "bob", 3], ["bob", 3]),
    ],
)  # fmt: skip
def test_rows_and_columns_of_the_account_go(rows: list[Any], left: list[Any]) -> None:
    assert json.loads(table_without(ALICE, table(json.dumps(rows)))) == left


@pytest.mark.parametrize(
    "artifact",
    [
        table("no JSON about @alice"),
        table('{"bot": "alice"}'),
        table(None),
        table('[{"bot": "alice"}]', "markdown"),
        table(json.dumps([{"bot": "@bob", "outcome": "alice in words", "alice": 1}])),
    ],
)
def test_other_things_stay_as_they_are(artifact: Artifact) -> None:
    assert table_without(ALICE, artifact) == artifact.data


def asked(**parameters: Any) -> FlowRun:
    return FlowRun.model_construct(parameters=parameters)


def test_what_a_run_was_asked_for() -> None:
    options = {"languages": ["alice"], "filter": "alice"}
    alone = asked(bots=[{"name": "alice-bob"}], options=options)
    both = asked(bots=[{"name": "alice"}, {"name": "bob", "options": options}], options=options)
    assert (is_own(ALICE, alone), is_own(ALICE, both)) == (True, False)
    assert is_own(ALICE, asked(bot="alice"))
    assert is_own(ALICE, asked(handles=["alice"], file=""))
    assert not is_own(ALICE, asked(handles=["alice"], file="list.txt")), "who knows what it holds"
    assert not is_own(ALICE, asked(night="2026-01-02"))
    assert parameters_without(ALICE, both) == {
        "bots": [{"name": "bob", "options": options}],
        "options": options,
    }


def test_the_name_of_a_run() -> None:
    assert name_without(ALICE, "retrain alice, bob, malice and 3 more") == (
        "retrain …, bob, malice and 3 more"
    )
