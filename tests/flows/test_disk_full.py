"""A disk that fills up while a bot is retrained."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.requests import BotRequest
from tasks.core.records import Status
from tasks.core.settings import settings
from tests.flows.running import run
from tests.sample_posts import write_table

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.mark.parametrize("posts", [200, 3000])
def test_it_is_told_in_one_line_and_leaves_nothing_half(
    posts: int, full_disk: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few posts it is the checkpoint that does not fit, with many the lake."""
    monkeypatch.setenv("HUGGINGTWEETS_STORAGE", str(full_disk))
    settings.cache_clear()
    table = write_table(tmp_path / "many.csv", posts=posts)
    state, outcomes = run([BotRequest(name="judy", sources={"judy": str(table)})], tiny_base)
    assert state == "Failed"
    assert outcomes["judy"].status is Status.FAILED
    assert "no space is left" in outcomes["judy"].reason
    assert "\n" not in outcomes["judy"].reason
    assert not list(full_disk.rglob(".draft*"))
    assert not list(full_disk.rglob("model.safetensors"))
