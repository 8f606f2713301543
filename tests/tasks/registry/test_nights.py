from __future__ import annotations

from tasks.registry.nights import (
    load_plan,
    load_summary,
    save_plan,
    save_summary,
    without_bots,
)
from tasks.storage import Storage

NIGHT = "2026-01-01"


def test_plans_and_summaries_come_back(storage: Storage) -> None:
    assert load_plan(storage, NIGHT) is None
    assert load_summary(storage, NIGHT) is None
    save_plan(storage, NIGHT, {"bots": []})
    save_summary(storage, NIGHT, {"counts": {"released": 1}})
    assert load_plan(storage, NIGHT) == {"bots": []}
    assert load_summary(storage, NIGHT) == {"counts": {"released": 1}}


def test_a_forgotten_bot_leaves_no_trace_in_any_night(storage: Storage) -> None:
    def rows(*names: str) -> dict[str, object]:
        return {
            "bots": [{"bot": name, "request": {"name": name}} for name in names],
            "before": dict.fromkeys(names, "2026-01-01"),
        }

    save_plan(storage, NIGHT, rows("alice", "bots"))
    save_plan(storage, "2026-01-02", rows("bots"))
    assert without_bots(storage, {"alice"}) == 1
    assert load_plan(storage, NIGHT) == rows("bots")
    assert without_bots(storage, {"bots"}) == 2
    assert load_plan(storage, NIGHT) == rows()
