"""Retrains whose posts come from a service, over real HTTP, through the flow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.requests import BotRequest
from tasks.core.names import BlueskyHandle, Handle
from tasks.core.records import Status
from tasks.core.settings import settings
from tasks.lake.posts import state
from tasks.storage import Storage
from tests.flows.running import run, use_x_api
from tests.sample_posts import posts_by, sentences
from tests.servers.bluesky import element, running_bluesky
from tests.servers.x_api import TOKEN, Account, as_api_posts, running_x_api

pytestmark = pytest.mark.usefixtures("prefect_server")
START = datetime(2026, 1, 1, tzinfo=UTC)


def test_x_is_scraped_once_and_then_asked_for_news_only(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BotRequest(name="mallory", sources={"mallory": "x_api"})
    with running_x_api() as api:
        found = as_api_posts(posts_by(Handle("mallory"), 200))
        account = api.add(Account("7", "mallory", "Mallory", posts=found))
        use_x_api(api, monkeypatch)
        _, outcomes = run([request], tiny_base)
        assert outcomes["mallory"].status is Status.RELEASED
        assert outcomes["mallory"].corpus.counts["mallory"].downloaded == 200
        asked = len(api.requests)
        _, outcomes = run([request], tiny_base)
        assert outcomes["mallory"].status is Status.UNCHANGED
        assert len(api.requests) == asked + 1
        account.state = "suspended"
        _, outcomes = run([request], tiny_base)
        assert outcomes["mallory"].status is Status.FAILED
        assert "suspended" in outcomes["mallory"].reason
    assert TOKEN not in str(outcomes)


def test_a_budget_skips_and_terms_refuse(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = BotRequest(name="niaj", sources={"niaj": "x_api"})
    with running_x_api() as api:
        api.add(Account("8", "niaj", posts=as_api_posts(posts_by(Handle("niaj"), 200))))
        use_x_api(api, monkeypatch, X_BUDGET_RUN="0.1")
        state, outcomes = run([request], tiny_base)
        assert (state, outcomes["niaj"].status) == ("Completed", Status.SKIPPED)
        assert "budget" in outcomes["niaj"].reason
        use_x_api(api, monkeypatch, X_ACCEPT_TERMS="false")
        _, outcomes = run([request], tiny_base)
        assert outcomes["niaj"].status is Status.FAILED
        assert "HUGGINGTWEETS_X_ACCEPT_TERMS" in outcomes["niaj"].reason


def test_bluesky_needs_no_login(
    tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "olivia.example.com"
    request = BotRequest(name=name, sources={name: "bluesky"})
    with running_bluesky() as bluesky:
        texts = enumerate(sentences(200))
        feed = [element(name, START + timedelta(hours=n), text) for n, text in texts]
        bluesky.add(name, feed[::-1], displayName="Olivia")
        monkeypatch.setenv("HUGGINGTWEETS_BLUESKY_URL", bluesky.url)
        settings.cache_clear()
        _, outcomes = run([request], tiny_base)
        assert outcomes[name].status is Status.RELEASED
        assert outcomes[name].corpus.counts[name].downloaded == 200
        _, outcomes = run([request], tiny_base)
        assert outcomes[name].status is Status.UNCHANGED
        storage.delete(f"posts/{name}")
        _, outcomes = run([request], tiny_base)
        assert outcomes[name].status is Status.UNCHANGED, "read again from the beginning"
        assert state(storage, BlueskyHandle(name)).rows == 200


def test_an_x_handle_is_none_of_blueskys(tiny_base: Path) -> None:
    request = BotRequest(name="peggy", sources={"peggy": "bluesky"})
    _, outcomes = run([request], tiny_base)
    assert "not a Bluesky handle" in outcomes["peggy"].reason
