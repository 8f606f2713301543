from __future__ import annotations

import pytest

from tasks.core.errors import DamagedState
from tasks.registry.nights import (
    drop_plan,
    load_plan,
    load_summary,
    save_plan,
    save_summary,
    without_bots,
)
from tasks.storage import Storage

NIGHT = "2026-01-01"
BEGAN = "2026-01-01T02:00:00+00:00"


def plan(*names: str) -> dict[str, object]:
    return {
        "began": BEGAN,
        "bots": [{"bot": name, "why": "due", "request": {"name": name}} for name in names],
        "before": dict.fromkeys(names, BEGAN),
        "left": [],
    }


def test_plans_and_summaries_come_back(storage: Storage) -> None:
    assert load_plan(storage, NIGHT) is None
    assert load_summary(storage, NIGHT) is None
    summary = {"night": NIGHT, "counts": {"released": 1}, "bots": [{"bot": "ada"}], "left": []}
    save_plan(storage, NIGHT, plan("ada"))
    save_summary(storage, NIGHT, summary)
    assert load_plan(storage, NIGHT) == plan("ada")
    assert load_summary(storage, NIGHT) == summary
    drop_plan(storage, NIGHT)
    assert load_plan(storage, NIGHT) is None


def test_a_removed_bot_leaves_no_trace_in_any_night(storage: Storage) -> None:
    save_plan(storage, NIGHT, plan("alice", "bots"))
    save_plan(storage, "2026-01-02", plan("bots"))
    assert without_bots(storage, {"alice"}) == 1
    assert load_plan(storage, NIGHT) == plan("bots")
    assert without_bots(storage, {"bots"}) == 2
    assert load_plan(storage, NIGHT) == plan()


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"bots": [7], "counts": {}}'])
def test_a_damaged_file_names_its_night(storage: Storage, content: bytes) -> None:
    storage.write(f"nights/{NIGHT}/plan.json", content)
    storage.write(f"nights/{NIGHT}/summary.json", content)
    named = rf"^night {NIGHT}: .*/{NIGHT}/{{}}\.json is damaged .*: delete it and start the night"
    with pytest.raises(DamagedState, match=named.format("plan")):
        load_plan(storage, NIGHT)
    with pytest.raises(DamagedState, match=named.format("summary")):
        load_summary(storage, NIGHT)
