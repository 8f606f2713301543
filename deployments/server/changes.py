"""What `infra apply` did to the Prefect server, for the operator to read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What was done to one object on the server.

    kind: `work pool`, `limit` …
    change: `made`, `changed`, `unchanged` or `removed`.
    """

    kind: str
    name: str
    change: str
