"""What was done to the Prefect server, told to the operator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What became of one thing on the server.

    kind: `work pool`, `limit` …
    change: `made`, `changed`, `unchanged`, `removed`, or why it was left alone.
    """

    kind: str
    name: str
    change: str
