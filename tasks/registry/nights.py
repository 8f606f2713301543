"""What a night plans to do and what came of it: two state files a night, named by its date.

The plan is written once. A second start of the same night finds it and does the same, so that
what is done already stays done. A backfill keeps its plan in the same way until it has ended,
named by its run's id.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

FOLDER = "nights"


class _Shape(BaseModel):
    """What is read of a file is checked; what else stands in it is kept."""

    model_config = ConfigDict(extra="allow")


class _Named(_Shape):
    bot: str


class _Plan(_Shape):
    """bots: to be retrained; before: when the last outcome of each was, by name."""

    began: str
    bots: list[_Named]
    before: dict[str, str]


class _Summary(_Shape):
    """bots: what came of each; counts: how many came to each outcome."""

    bots: list[_Named]
    counts: dict[str, int]


_S = TypeVar("_S", bound=_Shape)
_REMEDY = "delete it and start the night again"
_PLANS = StateFiles(FOLDER, _Plan, remedy=_REMEDY, subject="night ")
_SUMMARIES = StateFiles(FOLDER, _Summary, remedy=_REMEDY, subject="night ")


def names(storage: Storage) -> list[str]:
    """The names of the nights that have begun, the newest first."""
    found = [PurePosixPath(key).name for key in storage.folders(FOLDER)]
    return sorted((name for name in found if name[:1].isdigit()), reverse=True)


def load_plan(storage: Storage, night: str) -> dict[str, Any] | None:
    """What a night plans to do, or None where it has not begun. Raises DamagedState."""
    return _load(storage, _PLANS, _plan(night))


def save_plan(storage: Storage, night: str, plan: dict[str, Any]) -> None:
    """Write what a night plans to do. Raises StorageUnusable."""
    _PLANS.save(storage, _plan(night), _Plan.model_validate(plan))


def drop_plan(storage: Storage, night: str) -> None:
    """Delete what a night planned to do. Raises StorageUnusable."""
    _PLANS.delete(storage, _plan(night))


def load_summary(storage: Storage, night: str) -> dict[str, Any] | None:
    """What came of a night, or None where it has not ended. Raises DamagedState."""
    return _load(storage, _SUMMARIES, _summary(night))


def save_summary(storage: Storage, night: str, summary: dict[str, Any]) -> None:
    """Write what came of a night. Raises StorageUnusable."""
    _SUMMARIES.save(storage, _summary(night), _Summary.model_validate(summary))


def without_bots(storage: Storage, bots: set[str]) -> int:
    """Remove bots from the plans and summaries of all nights; returns how many files changed.

    Raises DamagedState.
    """
    nights = [PurePosixPath(key).name for key in storage.folders(FOLDER)]
    plans = [_remove(storage, _PLANS, _plan(night), bots) for night in nights]
    summaries = [_remove(storage, _SUMMARIES, _summary(night), bots) for night in nights]
    return sum(plans) + sum(summaries)


def _plan(night: str) -> str:
    return f"{night}/plan"


def _summary(night: str) -> str:
    return f"{night}/summary"


def _load(storage: Storage, files: StateFiles[_S], name: str) -> dict[str, Any] | None:
    found = files.load(storage, name)
    return None if found is None else found.model_dump(mode="json")


def _remove(storage: Storage, files: StateFiles[_S], name: str, bots: set[str]) -> bool:
    stored = _load(storage, files, name)
    kept = _pruned(stored, bots)
    if kept == stored:
        return False
    storage.write_json(files.key(name), kept)
    return True


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
