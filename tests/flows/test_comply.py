"""Posts that X no longer shows leave the lake and the corpora, and the next retrain knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.comply import comply
from flows.requests import BotRequest
from tasks.core.names import Handle
from tasks.core.records import Status
from tasks.registry.due_marks import due_marks
from tasks.storage import Storage
from tests.flows.running import run, use_x_api
from tests.sample_posts import posts_by
from tests.servers.x_api import Account, Fault, as_api_posts, running_x_api

pytestmark = pytest.mark.usefixtures("prefect_server")


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


def test_a_cap_ends_the_check_and_the_command_says_so(
    storage: Storage,
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, _ = command("comply")
    assert (code, out.strip()) == (0, "The lake holds no posts from the X API.")
    with running_x_api() as api:
        use_x_api(api, monkeypatch, X_ACCEPT_TERMS="false")
        code, out, _ = command("comply", "xavier", "yvonne")
        assert code == 1
        assert "HUGGINGTWEETS_X_ACCEPT_TERMS" in out
        api.faults = [Fault(402, {"title": "CreditsDepleted", "detail": "no credits"})] * 9
        assert api.requests == []
