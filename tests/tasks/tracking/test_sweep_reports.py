"""The page of a sweep is kept for each of its bots, for their cards."""

from __future__ import annotations

import pytest

from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.operations.bot_deletion import delete_bot
from tasks.storage import Storage
from tasks.track import track_sweep
from tasks.tracking.sweep_reports import keep_report, report_url
from tests.servers.wandb import running_wandb
from tests.tasks.tracking.test_sweep_runs import ROWS
from tests.tasks.tracking.tracked import online

ALICE, BOTH = Bot.parse("alice"), Bot.parse("alice-bob")


def test_a_tracked_sweep_leaves_its_page_for_each_of_its_bots(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [ALICE.name, BOTH.name]
    assert track_sweep.fn("offline-owl", names, ROWS) is None
    assert report_url(storage, ALICE) is None
    with running_wandb() as server:
        for name, value in online(server).items():
            monkeypatch.setenv(f"HUGGINGTWEETS_{name.upper()}", str(value))
        settings.cache_clear()
        url = track_sweep.fn("brave-fox", names, ROWS)
    assert url is not None
    assert [report_url(storage, bot) for bot in (ALICE, BOTH)] == [url, url]
    assert report_url(storage, Bot.parse("bob")) is None


def test_the_last_sweep_counts_and_goes_with_its_bot(storage: Storage) -> None:
    for sweep in ("first", "second"):
        keep_report(storage, [ALICE.name], sweep, f"https://wandb.ai/{sweep}")
    assert report_url(storage, ALICE) == "https://wandb.ai/second"
    delete_bot(storage, ALICE)
    assert report_url(storage, ALICE) is None


def test_a_damaged_record_costs_only_the_link(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.write("sweep-reports/alice.json", b"{")
    assert report_url(storage, ALICE) is None
    assert "alice.json is damaged" in caplog.text
