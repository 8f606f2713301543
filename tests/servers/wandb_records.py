"""The runs and artifacts of the W&B stand-in, and the shapes that GraphQL shows them in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

ENTITY = "team-of-the-tests"
NOW = "2026-01-01T00:00:00"


@dataclass
class Run:
    """One run; `inputs` and `outputs` are ids of artifacts."""

    name: str
    project: str
    entity: str
    number: int
    display_name: str = ""
    job_type: str = ""
    state: str = "running"
    config: str = "{}"
    summary: str = "{}"
    history: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The history's rows, without W&B's own columns."""
        parsed = (json.loads(line) for line in self.history)
        return [{k: v for k, v in row.items() if not k.startswith("_")} for row in parsed]


@dataclass
class Artifact:
    """One version of an artifact; `files` and `manifest` are keys of uploads."""

    id: str
    collection: str
    type: str
    project: str
    entity: str
    version: int
    digest: str
    metadata: str | None
    client_id: str
    run: str | None
    aliases: list[str]
    state: str = "PENDING"
    manifest: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.collection}:v{self.version}"


def nothing(**_: Any) -> None:
    """What has no answer here."""


def viewer() -> dict[str, Any]:
    teams = {"edges": [{"node": {"name": ENTITY}}]}
    return {"__typename": "User", "id": "user", "entity": ENTITY, "username": "tester",
            "name": "Tester", "email": "tester@example.com", "flags": "{}", "admin": False,
            "teams": teams, "apiKeys": {"edges": []}, "deletedAt": None}  # fmt: skip


def shown_project(name: str, entity: str) -> dict[str, Any]:
    return {"id": f"project-{name}", "internalId": "1", "name": name,
            "entity": {"id": f"entity-{entity}", "name": entity}}  # fmt: skip


def short(artifact: Artifact) -> dict[str, Any]:
    return {"id": artifact.id, "state": artifact.state, "versionIndex": artifact.version}


def connection(nodes: list[Any]) -> dict[str, Any]:
    pages = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    edges = [{"node": node, "cursor": ""} for node in nodes]
    return {"totalCount": len(nodes), "pageInfo": pages, "edges": edges}
