"""The list of a backfill: read, checked, and what of it is done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import task

from tasks.core.errors import BadInput, InvalidHandle
from tasks.core.names import Bot, Handle
from tasks.orchestration.policies import UNCACHED
from tasks.publishing.releases import latest_release
from tasks.registry.state import BotState, load_states
from tasks.storage import storage_root


@dataclass(frozen=True)
class Listed:
    """The accounts of a list, each once, in its order; wrong: a row for each line that is none."""

    names: tuple[str, ...]
    wrong: list[dict[str, Any]]


def read_list(given: Sequence[str], file: Path | None) -> Listed:
    """The accounts that are given, and those of a file. Raises BadInput for one like no text."""
    lines = [(number + 1, text) for number, text in enumerate([*given])]
    lines += [] if file is None else _lines(file)
    names: dict[str, None] = {}
    wrong: list[dict[str, Any]] = []
    for number, text in lines:
        try:
            names[Handle.parse(text).name] = None
        except InvalidHandle as error:
            wrong.append({"line": number, "text": text[:80], "why": str(error)})
    return Listed(tuple(names), wrong)


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: no list can be read from it ({error}): check the path") from error
    lines = enumerate((line.partition("#")[0].strip() for line in text.splitlines()), start=1)
    return [(number, line) for number, line in lines if line]


@task(name="find fresh bots", **UNCACHED)
def fresh_bots(names: Sequence[str], age: timedelta) -> set[str]:
    """Those that have a release and were brought up to date less than `age` ago."""
    storage, states, now = storage_root(), load_states(storage_root()).values, datetime.now(UTC)
    found = set()
    for name in names:
        last = states.get(name, BotState()).last_success
        is_young = last is not None and now - last < age
        if is_young and latest_release(storage, Bot.parse(name)) is not None:
            found.add(name)
    return found
