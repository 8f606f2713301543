"""Removes an account from the parameters, the name and the tables of a run with other bots."""

from __future__ import annotations

import json
from typing import Any

from prefect.client.schemas.objects import Artifact, FlowRun

from tasks.core.name_matching import is_of, untitled
from tasks.core.names import Handle

_PARAMETERS = ("bots", "bot", "handles")  # parameters that name bots or accounts
_NAMED = ("bot", "name", "handle", "text")  # keys by which rows and requests name one


def requested_names(run: FlowRun) -> list[str]:
    """The bots and accounts that a run was started for."""
    requested = [run.parameters.get(name) or [] for name in _PARAMETERS]
    flat = [each for value in requested for each in (value if isinstance(value, list) else [value])]
    return [str(each.get("name", "") if isinstance(each, dict) else each) for each in flat]


def is_own(handle: Handle, run: FlowRun) -> bool:
    """Whether a run was started for bots of the account only."""
    names = requested_names(run)
    return bool(names) and not run.parameters.get("file") and all(is_of(handle, n) for n in names)


def parameters_without(handle: Handle, run: FlowRun) -> dict[str, Any]:
    """The parameters of a run without the account."""
    return {
        key: [each for each in value if not _is_about(handle, each)]
        if key in _PARAMETERS and isinstance(value, list)
        else value
        for key, value in run.parameters.items()
    }


def name_without(handle: Handle, name: str) -> str:
    """The name of a run, such as `retrain alice, bob`, with `…` for the account's bots."""
    words = name.split(" ")
    bare = [word.strip(",") for word in words]
    return " ".join(
        word.replace(bot, "…") if is_of(handle, bot) else word
        for word, bot in zip(words, bare, strict=True)
    )


def table_without(handle: Handle, artifact: Artifact) -> Any:
    """A table's data without the account's rows and columns; other artifacts' data unchanged."""
    rows = _rows(artifact)
    kept = [_cells(handle, row) for row in rows if not _is_about(handle, row)]
    return artifact.data if kept == rows else json.dumps(kept)


def _rows(artifact: Artifact) -> list[Any]:
    try:
        rows = json.loads(str(artifact.data)) if artifact.type == "table" else None
    except ValueError:
        rows = None  # not one of our tables
    return rows if isinstance(rows, list) else []


def _cells(handle: Handle, row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {
        column: untitled(handle, cell) if isinstance(cell, str) else cell
        for column, cell in row.items()
        if column[:1] != "@" or not is_of(handle, column)
    }


def _is_about(handle: Handle, entry: Any) -> bool:
    """Whether a table's row, or a request, is for a bot of the account."""
    names = [entry.get(key) for key in _NAMED] if isinstance(entry, dict) else [entry]
    return any(isinstance(name, str) and is_of(handle, name) for name in names)
