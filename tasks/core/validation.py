"""What pydantic finds wrong, in words for whoever wrote the file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def in_words(fault: Mapping[str, Any], known: Collection[str]) -> str:
    """A fault of a ValidationError after its field's name; known: names of the outermost fields.

    `foo: is unknown: choose among a, b`; `handles: is missing`.
    """
    field = ".".join(str(step) for step in fault["loc"] if isinstance(step, str | int))
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        is_outer = len(fault["loc"]) == 1
        message = f"is unknown{': choose among ' + ', '.join(known) if is_outer else ''}"
    elif fault["type"] == "missing":
        message = "is missing"
    return f"{field[:60]}: {message}" if field else message
