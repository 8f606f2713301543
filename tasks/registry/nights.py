"""What a night set out to do, and what came of it: two files a night, by its date.

The plan is written once. A second start of the same night finds it and does the same, so that
what is done already stays done. A backfill keeps its plan in the same way until
it has ended, by the id of its run.
"""

from __future__ import annotations

from typing import Any

from tasks.storage import Storage

FOLDER = "nights"


def load_plan(storage: Storage, night: str) -> dict[str, Any] | None:
    """What a night set out to do, or None where it has not begun."""
    return _mapping(storage.read_json(f"{FOLDER}/{night}/plan.json"))


def save_plan(storage: Storage, night: str, plan: dict[str, Any]) -> None:
    """Write what a night sets out to do. Raises StorageUnusable."""
    storage.write_json(f"{FOLDER}/{night}/plan.json", plan)


def drop_plan(storage: Storage, night: str) -> None:
    """Delete what a night set out to do. Raises StorageUnusable."""
    storage.delete(f"{FOLDER}/{night}/plan.json")


def load_summary(storage: Storage, night: str) -> dict[str, Any] | None:
    """What came of a night, or None where it has not ended."""
    return _mapping(storage.read_json(f"{FOLDER}/{night}/summary.json"))


def save_summary(storage: Storage, night: str, summary: dict[str, Any]) -> None:
    """Write what came of a night. Raises StorageUnusable."""
    storage.write_json(f"{FOLDER}/{night}/summary.json", summary)


def without_bots(storage: Storage, bots: set[str]) -> int:
    """Take bots out of the plans and summaries of all nights; returns how many files changed."""
    changed = 0
    for folder in storage.folders(FOLDER):
        for key in storage.keys(folder):
            told = storage.read_json(key)
            if (kept := _pruned(told, bots)) != told:
                storage.write_json(key, kept)
                changed += 1
    return changed


def _pruned(value: Any, bots: set[str]) -> Any:
    if isinstance(value, dict):
        kept = {key: _pruned(each, bots) for key, each in value.items()}
        if isinstance(times := kept.get("before"), dict):  # by the names of the bots
            kept["before"] = {name: each for name, each in times.items() if name not in bots}
        return kept
    if isinstance(value, list):
        return [_pruned(each, bots) for each in value if not _is_of(each, bots)]
    return value


def _is_of(value: Any, bots: set[str]) -> bool:
    return isinstance(value, dict) and (value.get("bot") in bots or value.get("name") in bots)


def _mapping(told: Any) -> dict[str, Any] | None:
    return told if isinstance(told, dict) else None
