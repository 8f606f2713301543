"""What the pages find of a bot in the storage."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import httpx
import pytest

from deployments.web.bots import UnknownBot, known_entry, picture_of
from tasks.core.names import Bot, Handle
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out
from tests.deployments.web.serving import release_bot, serving

ALICE = Bot.parse("alice")


def test_a_picture_is_served_by_its_name_in_the_address_only(storage: Storage) -> None:
    release_bot(storage, "Alice")
    assert picture_of(storage, ALICE, "picture.png").startswith(b"\x89PNG")
    for bot, name in (
        (ALICE, "predictions.png"),
        (ALICE, "README.md"),
        (Bot.parse("b"), "picture.png"),
    ):
        with pytest.raises(UnknownBot):
            picture_of(storage, bot, name)


def test_of_an_account_that_opted_out_nothing_is_shown(storage: Storage) -> None:
    release_bot(storage, "Alice")
    opt_out(storage, Handle.parse("alice"), datetime(2026, 1, 2, tzinfo=UTC))
    for find in (
        lambda: picture_of(storage, ALICE, "picture.png"),
        lambda: known_entry(storage, ALICE),
    ):
        with pytest.raises(UnknownBot):
            find()


@pytest.mark.parametrize("drafts", [False, True])
def test_posts_that_are_being_written_are_sent_to_those_who_ask(
    storage: Storage, drafts: bool
) -> None:
    release_bot(storage, "Alice")
    with serving(writer="tests.servers.echo_writer") as page:
        asked = {"start": "x", "number": "2", "seed": "7", "drafts": str(drafts).lower()}
        answer = httpx.get(f"{page.url}/api/bots/alice/posts", params=asked, timeout=60)
    found = re.findall(r"event: (\w+)\r?\ndata: (.*)", answer.text)
    events = [(name, json.loads(data)) for name, data in found]
    assert [data for name, data in events if name == "post"] == ["x 0 7", "x 1 7"]
    expected = [["x 0", "x 0"], ["x 1", "x 1"]] if drafts else []
    assert [data for name, data in events if name == "drafts"] == expected
