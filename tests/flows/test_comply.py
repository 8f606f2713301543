"""Posts that X no longer shows leave the lake and the corpora, and the next retrain knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import flow

from flows.comply import comply
from flows.requests import BotRequest
from tasks.core.names import Handle
from tasks.core.records import Kind, Post, Status
from tasks.lake.posts import append, state
from tasks.registry.due_marks import due_marks
from tasks.scrape import scrape_service
from tasks.storage import Storage
from tests.flows.running import run, use_community_archive, use_x_api
from tests.sample_posts import posts_by
from tests.servers.community_archive import running_community_archive
from tests.servers.x_api import Account, as_api_posts, running_x_api

pytestmark = pytest.mark.usefixtures("prefect_server")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_gone_posts_make_the_bot_due_and_the_next_retrain_is_without_them(
    tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BotRequest(name="wendy", sources={"wendy": "x_api"})
    with running_x_api() as api:
        posts = as_api_posts(posts_by(Handle("wendy"), 200))
        account = api.add(Account("9", "wendy", posts=posts))
        use_x_api(api, monkeypatch)
        run([request], tiny_base)
        (checked,) = comply()
        assert (checked.found.checked, checked.found.dropped) == (200, 0)
        assert due_marks(storage) == {}

        account.posts = posts[20:]
        (checked,) = comply(["@Wendy"])
        assert (checked.found.dropped, checked.found.corpora) == (20, 1)
        assert checked.row()["bots due"] == "@wendy"
        assert list(due_marks(storage)) == ["wendy"]

        _, outcomes = run([request], tiny_base)
        assert outcomes["wendy"].status is Status.RELEASED
        assert outcomes["wendy"].corpus.counts["wendy"].downloaded == 180
        assert due_marks(storage) == {}, "the retrain has done what the mark asked for"


def test_a_refusal_ends_the_check_of_one_service_and_the_command_says_so(
    storage: Storage,
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, _ = command("comply")
    assert code == 0
    assert "No posts from the Community Archive or the X API are stored" in out
    for name, source in (("xavier", "community_archive"), ("yvonne", "x_api"), ("zora", "x_api")):
        post = Post("1", Handle(name), NOW, "hello", "en", Kind.POST, source, "{}")
        append(storage, post.handle, [[post]], scraped_at=NOW)
    with running_x_api() as api:
        use_x_api(api, monkeypatch, X_ACCEPT_TERMS="false")
        code, _, err = command("comply", "xavier", "wanda")
        assert code == 2
        assert "@wanda: no posts from the Community Archive" in err
        code, out, _ = command("comply", "xavier", "yvonne", "zora", "--json")
        assert code == 1
        why = {each["handle"]: each["trouble"] for each in json.loads(out)}
        assert "HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY" in why["xavier"]
        assert "HUGGINGTWEETS_X_ACCEPT_TERMS" in why["yvonne"]
        assert api.requests == []


def test_who_opted_out_of_the_community_archive_is_dropped(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    victor = Handle("victor")
    with running_community_archive() as archive:
        account_id = archive.add("victor", posts_by(victor, 30))
        archive.add("somebody")
        use_community_archive(archive, monkeypatch)
        fetched = flow(lambda: scrape_service(victor, "community_archive"))()
        assert (fetched.new, fetched.stored) == (30, 30)
        (checked,) = comply()
        assert (checked.source, checked.found.dropped) == ("community_archive", 0)
        archive.opt_out(account_id)
        (checked,) = comply()
        assert checked.found.dropped == 30
    assert state(storage, victor).rows == 0
